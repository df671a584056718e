package emulator

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"

	"github.com/rekeyhq/rekey/scanner/checksum"
)

// operatorSecret makes the credential of the account's owner; "" where the service has
// no call that needs one.
func operatorSecret(service string) string {
	switch service {
	case "cloudnexus":
		return "cnx_" + "prod_" + randomText(30, alnum)
	case "nexosis", "nexqloud":
		return "adm_" + randomText(40, alnum)
	case "clore":
		return cloreSecret()
	case "gitlab":
		return gitlabSecret()
	case "aws":
		return awsKeyID(awsAccount) + ":" + randomText(40, alnum+"/+")
	}
	return ""
}

func cloreSecret() string {
	b := make([]byte, 24)
	_, _ = rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

func gitlabSecret() string { return "gl" + "pat-" + randomText(20, urlSafe) }

// githubSecret has the checksum that GitHub's tokens have: CRC-32 of the body.
func githubSecret(prefix string, n int) string {
	body := randomText(n, alnum)
	s, err := checksum.New("crc32-base62", checksum.UpperFirst, 6, nil)
	if err != nil {
		return prefix + "_" + body
	}
	sum, _ := s.Make(nil, []byte(body))
	return prefix + "_" + body + string(sum)
}

// awsKeyID makes an access key id that carries its account: 40 bits from bit 7 of the
// first six bytes (providers.md, entry 4).
func awsKeyID(account uint64) string {
	var raw [10]byte
	_, _ = rand.Read(raw[:])
	var first [8]byte
	binary.BigEndian.PutUint64(first[:], 1<<47|account<<7|uint64(raw[5]&0x7f))
	copy(raw[:6], first[2:])
	return "AK" + "IA" + base32.StdEncoding.EncodeToString(raw[:])
}
