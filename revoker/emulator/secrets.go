package emulator

import (
	"bytes"
	"context"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"crypto/rand"

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

// webhookTries is how often a webhook is sent before the service gives up.
const webhookTries = 3

// deliver sends a webhook in the background, to loopback only.
func (s *Server) deliver(target, signature string, body []byte) {
	s.hookMu.Lock() // no new delivery once Close waits for the last
	defer s.hookMu.Unlock()
	if !loopbackURL(target) || s.ctx.Err() != nil {
		return
	}
	s.hooks.Go(func() {
		client := &http.Client{Timeout: 2 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		for range webhookTries {
			req, err := http.NewRequestWithContext(s.ctx, http.MethodPost, target, bytes.NewReader(body))
			if err != nil {
				return
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("X-CloudNexus-Signature", signature)
			res, err := client.Do(req)
			if err == nil {
				_ = res.Body.Close()
				if res.StatusCode < 300 {
					return
				}
			}
			if pause(s.ctx, 50*time.Millisecond) != nil {
				return
			}
		}
	})
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func loopbackURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return false
	}
	a, err := netip.ParseAddr(strings.Trim(u.Hostname(), "[]"))
	return err == nil && a.IsLoopback()
}

func seconds(d time.Duration) string {
	return strconv.Itoa(int((d + time.Second - 1) / time.Second))
}
