package emulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// form returns the parameters of a form body.
func (q *request) form() url.Values {
	v, err := url.ParseQuery(string(q.body))
	if err != nil {
		return url.Values{}
	}
	return v
}

// signed checks the request's signature, version 4
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html), and
// returns the key that made it and the service that it is for.
func (s *aws) signed(q *request) (*Key, string, *answer) {
	refuse := func(status int, code, message string) (*Key, string, *answer) {
		a := awsFail(status, code, message)
		return nil, "", &a
	}
	rest, ok := strings.CutPrefix(q.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	if !ok {
		return refuse(http.StatusForbidden, "MissingAuthenticationToken", "Request is missing Authentication Token")
	}
	part := map[string]string{}
	for _, p := range strings.Split(rest, ",") {
		name, v, _ := strings.Cut(strings.TrimSpace(p), "=")
		part[name] = v
	}
	scope := strings.Split(part["Credential"], "/")
	if len(scope) != 5 || scope[4] != "aws4_request" || part["SignedHeaders"] == "" || part["Signature"] == "" {
		return refuse(http.StatusBadRequest, "IncompleteSignature", "Authorization header requires 'Credential', 'Signature' and 'SignedHeaders'")
	}
	k := s.byID(scope[0])
	q.key = k
	from, delayed := time.Time{}, false
	if k != nil {
		from, delayed = k.Attributes["from"].(time.Time)
	}
	var sec *secret
	if k != nil {
		sec = s.secrets[k.Hash]
	}
	if k == nil || k.State == "Inactive" || delayed && q.now.Before(from) || sec.ends != nil && !q.now.Before(*sec.ends) {
		return refuse(http.StatusForbidden, "InvalidClientTokenId", "The security token included in the request is invalid.")
	}
	at, err := time.Parse("20060102T150405Z", q.Header.Get("X-Amz-Date"))
	// The signer lives in real time, whatever the virtual clock says.
	if err != nil || time.Since(at).Abs() > 15*time.Minute || !strings.HasPrefix(q.Header.Get("X-Amz-Date"), scope[1]) {
		return refuse(http.StatusForbidden, "SignatureDoesNotMatch", "Signature expired or not yet current")
	}
	headers := strings.Split(part["SignedHeaders"], ";")
	if !slices.Contains(headers, "host") || !slices.Contains([]string{"sts", "iam"}, scope[3]) {
		return refuse(http.StatusForbidden, "SignatureDoesNotMatch", "Credential should be scoped to correct service, and 'host' must be a signed header")
	}
	toSign := "AWS4-HMAC-SHA256\n" + q.Header.Get("X-Amz-Date") + "\n" + strings.Join(scope[1:], "/") + "\n" + hash(canonical(q, headers))
	key := []byte("AWS4" + s.open(sec.sealed))
	for _, p := range scope[1:] {
		key = mac(key, p)
	}
	if !hmac.Equal([]byte(hex.EncodeToString(mac(key, toSign))), []byte(part["Signature"])) {
		return refuse(http.StatusForbidden, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.")
	}
	return k, scope[3], nil
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// canonical is the request as the signer wrote it down.
func canonical(q *request, headers []string) string {
	var b strings.Builder
	path := q.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	b.WriteString(q.Method + "\n" + path + "\n" + canonicalQuery(q.URL.Query()) + "\n")
	for _, name := range headers {
		value := strings.Join(q.Header.Values(name), ",")
		switch name {
		case "host":
			value = q.Host
		case "content-length":
			value = strconv.FormatInt(q.ContentLength, 10)
		}
		b.WriteString(name + ":" + strings.Join(strings.Fields(value), " ") + "\n")
	}
	b.WriteString("\n" + strings.Join(headers, ";") + "\n")
	if sum := q.Header.Get("X-Amz-Content-Sha256"); sum != "" && sum != hash(string(q.body)) {
		return "" // the body is not the signed one
	}
	b.WriteString(hash(string(q.body)))
	return b.String()
}

func canonicalQuery(v url.Values) string {
	var pairs []string
	for name, values := range v {
		for _, value := range values {
			pairs = append(pairs, awsEscape(name)+"="+awsEscape(value))
		}
	}
	sort.Strings(pairs)
	return strings.Join(pairs, "&")
}

func awsEscape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
