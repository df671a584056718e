package native

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"sort"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/revoker/keyservice"
	"github.com/rekeyhq/rekey/scanner/finding"
)

// awsSTS asks AWS STS whose key it is: GetCallerIdentity, which no policy can deny.
type awsSTS struct{}

func (awsSTS) Hosts() []string { return nil } // the rule file lists them

// MadeUp returns a pair of id and secret that nobody has.
func (awsSTS) MadeUp(k keyservice.Key) (keyservice.Key, string, bool) {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	id := make([]byte, 16)
	for i, c := range []byte(random(16)) {
		id[i] = letters[int(c)%32]
	}
	made := madeUp(k, (random(26) + "/" + random(26))[:40])
	made.Values = map[string]string{"id": "AKIA" + string(id), "region": k.Values["region"]}
	return made, "", true
}

// canaryAccounts are accounts whose keys exist to raise an alarm: Thinkst's free
// service (onappsec.com, October 2022, by key ids; github.com/0xCardinal/
// covert-canary-detection; read 2026-11-21). Others have their own accounts: this list
// cannot be whole.
var canaryAccounts = []string{"595918472158", "992382622183"}

// awsAccount returns the account that a key id belongs to, "" for ids of the old form
// (Aidan Steele, "AWS Access Key ID formats"; read 2026-11-21).
func awsAccount(id string) string {
	if len(id) != 20 {
		return ""
	}
	raw, err := base32.StdEncoding.DecodeString(id[4:])
	if err != nil || raw[0]&0x80 == 0 { // ids before 2019 hold no account
		return ""
	}
	var n uint64
	for _, b := range raw[:6] {
		n = n<<8 | uint64(b)
	}
	return fmt.Sprintf("%012d", n&0x7fffffffff80>>7)
}

// partitions are where keys may belong: a key is known in its own alone.
var partitions = []struct{ region, host string }{
	{"us-east-1", "sts.amazonaws.com"}, {"cn-north-1", "sts.cn-north-1.amazonaws.com.cn"}, {"us-gov-west-1", "sts.us-gov-west-1.amazonaws.com"},
}

func (awsSTS) Verify(ctx context.Context, k keyservice.Key, n keyservice.Network) finding.Verification {
	id := k.Values["id"]
	if id == "" {
		return unchecked("its access key id does not stand near it")
	}
	account := awsAccount(id)
	for _, c := range canaryAccounts {
		if account == c {
			v := verdict(finding.Canary, "its account issues keys that raise an alarm when used; not sent")
			v.Owner = account
			return v
		}
	}
	token := k.Values["session_token"]
	if temporary := strings.HasPrefix(id, "ASIA"); temporary && token == "" {
		return unchecked("a temporary key needs its session token, which was not found near it")
	} else if !temporary {
		token = ""
	}
	var v finding.Verification
	for _, p := range partitions {
		region := k.Values["region"]
		if n.Replaced() || !strings.HasPrefix(region, p.region[:3]) {
			region = p.region
		}
		s := signer{id: id, secret: string(k.Secret.Reveal()), token: token, region: region, service: "sts", now: n.Now().UTC()}
		body := []byte("Action=GetCallerIdentity&Version=2011-06-15")
		a, err := n.Do(ctx, http.MethodPost, "https://"+p.host+"/", http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}}, body, func(r *http.Request) error { return s.sign(r, body) })
		if err != nil {
			return keyservice.Unreached(err)
		}
		v = stsVerdict(a, token != "")
		v.KeyID = id
		if v.Owner == "" && v.Status != finding.Unknown {
			v.Owner = account
		}
		if v.Status != finding.Inactive || n.Replaced() {
			return v
		}
	}
	return v // refused in every partition
}

// stsAnswer is either reply of STS.
type stsAnswer struct {
	XMLName xml.Name
	Account string `xml:"GetCallerIdentityResult>Account"`
	ARN     string `xml:"GetCallerIdentityResult>Arn"`
	UserID  string `xml:"GetCallerIdentityResult>UserId"`
	Code    string `xml:"Error>Code"`
	Old     string `xml:"Errors>Error>Code"` // the form of EC2, which moto gives
}

// stsVerdict judges an answer of STS (docs.aws.amazon.com, STS common errors; read
// 2026-11-21). A wrong signature may mean that id and secret do not belong together:
// the id lives, so nothing is dead.
func stsVerdict(a *keyservice.Answer, temporary bool) finding.Verification {
	var x stsAnswer
	if a.HTML || xml.Unmarshal(a.Body, &x) != nil {
		return unknown(fmt.Sprintf("the answer is none of STS (status %d)", a.Status))
	}
	if x.Code == "" {
		x.Code = x.Old
	}
	switch {
	case a.Status == 200 && x.XMLName.Local == "GetCallerIdentityResponse" && x.Account != "" && x.ARN != "":
		v := verdict(finding.Active, "")
		v.Owner = x.Account
		v.Extra = map[string]string{"arn": clip(x.ARN), "user_id": clip(x.UserID)}
		return v
	case a.Status == 403 && x.Code == "AccessDenied":
		return verdict(finding.Restricted, "the key is known, but refused this request")
	case a.Status == 403 && x.Code == "ExpiredToken":
		return verdict(finding.Inactive, "the session has expired")
	case a.Status == 403 && x.Code == "InvalidClientTokenId" && !temporary:
		return verdict(finding.Inactive, "")
	case a.Status == 403 && x.Code == "SignatureDoesNotMatch":
		return unknown("the key id is known, but this secret does not belong to it")
	}
	return unknown(fmt.Sprintf("the answer is none that rekey knows (status %d)", a.Status))
}

func clip(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return -1
		}
		return r
	}, s[:min(len(s), 300)])
}

// signer signs requests with AWS Signature Version 4 (docs.aws.amazon.com, "Create a
// signed AWS API request"; read 2026-11-21).
type signer struct {
	id, secret, token, region, service string
	now                                time.Time
}

func (s signer) sign(r *http.Request, body []byte) error {
	stamp := s.now.Format("20060102T150405Z")
	r.Header.Set("X-Amz-Date", stamp)
	if s.token != "" {
		r.Header.Set("X-Amz-Security-Token", s.token)
	}
	headers := map[string]string{"host": r.URL.Host}
	for name, v := range r.Header {
		if l := strings.ToLower(name); strings.HasPrefix(l, "x-amz-") || l == "content-type" {
			headers[l] = strings.TrimSpace(v[0])
		}
	}
	names := make([]string, 0, len(headers))
	for n := range headers {
		names = append(names, n)
	}
	sort.Strings(names)
	var b strings.Builder
	path := r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	fmt.Fprintf(&b, "%s\n%s\n%s\n", r.Method, path, strings.ReplaceAll(r.URL.Query().Encode(), "+", "%20"))
	for _, n := range names {
		fmt.Fprintf(&b, "%s:%s\n", n, headers[n])
	}
	signed := strings.Join(names, ";")
	fmt.Fprintf(&b, "\n%s\n%s", signed, sha(body))
	scope := strings.Join([]string{stamp[:8], s.region, s.service, "aws4_request"}, "/")
	text := "AWS4-HMAC-SHA256\n" + stamp + "\n" + scope + "\n" + sha([]byte(b.String()))
	key := []byte("AWS4" + s.secret)
	for _, part := range []string{stamp[:8], s.region, s.service, "aws4_request", text} {
		m := hmac.New(sha256.New, key)
		_, _ = io.WriteString(m, part)
		key = m.Sum(nil)
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+s.id+"/"+scope+", SignedHeaders="+signed+", Signature="+hex.EncodeToString(key))
	return nil
}

func sha(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
