#!/usr/bin/env bash
# install.sh DIRECTORY puts rekey there. REKEY_INSTALL says which: "source" (or nothing)
# builds this very commit; a version downloads the release, which must have the SHA-256
# that checksums.txt in this commit names. A list that lies beside a download proves
# nothing, so there is no other way to a binary.
set -euo pipefail

dir=$1
want=${REKEY_INSTALL:-source}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$dir"

fail() {
  printf 'rekey: %s\n' "$*" >&2
  exit 2
}

exe=
[ "${RUNNER_OS:-}" = Windows ] && exe=.exe

if [ "$want" = source ]; then
  command -v go >/dev/null || fail 'building from source needs Go: add actions/setup-go before this step'
  # Nothing of the workspace takes part in the build.
  cd "$here/../.."
  GOFLAGS='' GOWORK=off CGO_ENABLED=0 go build -trimpath -buildvcs=false -o "$dir/rekey$exe" ./cmd/rekey
  exit
fi

[[ $want =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$ ]] || fail 'input version: want source, or a release such as v1.2.3'
case ${RUNNER_OS:-} in
  Linux) os=linux ;;
  macOS) os=darwin ;;
  Windows) os=windows ;;
  *) fail 'RUNNER_OS names no system that releases are made for: use version: source' ;;
esac
case ${RUNNER_ARCH:-} in
  X64) arch=amd64 ;;
  ARM64) arch=arm64 ;;
  *) fail 'RUNNER_ARCH names no processor that releases are made for: use version: source' ;;
esac

name=rekey_${want}_${os}_${arch}$exe
sum=$(awk -v name="$name" '$2 == name { print $1 }' "${REKEY_CHECKSUMS:-$here/checksums.txt}")
[[ $sum =~ ^[0-9a-f]{64}$ ]] || fail "this commit of the action knows no SHA-256 of $name: use the commit that was tagged after the release, or version: source"

new=$(mktemp "$dir/.rekey-download-XXXXXX")
trap 'rm -f "$new"' EXIT
base=${REKEY_RELEASES:-https://github.com/rekeyhq/rekey/releases/download}
curl --fail --silent --show-error --location --proto '=https,file' --proto-redir '=https' \
  --retry 3 --max-time 300 --output "$new" "$base/$want/$name" || fail "download of $name failed"
if command -v sha256sum >/dev/null; then
  got=$(sha256sum < "$new")
else
  got=$(shasum -a 256 < "$new")
fi
[ "${got%% *}" = "$sum" ] || fail "the download of $name does not have the SHA-256 that this commit names: refused"
chmod 755 "$new"
mv "$new" "$dir/rekey$exe"
