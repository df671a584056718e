package keyservice

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/rekeyhq/rekey/rules"
)

// maxBody is how much of an answer is read, in bytes after decompression.
const maxBody = 64 << 10

// unsent is the reason why a request was not made; it holds no secret.
type unsent struct{ reason string }

func (u unsent) Error() string { return u.reason }

// build makes the HTTP request of a step. named says that it goes to a host that the
// user named.
func (q *query) build(ctx context.Context, r *rules.Request, values map[string]string) (req *http.Request, named bool, err error) {
	target, named, err := q.address(r, values)
	if err != nil {
		return nil, false, err
	}
	body, contentType, err := payload(r, values)
	if err != nil {
		return nil, false, err
	}
	method := r.Method
	if method == "" {
		method = http.MethodGet
	}
	req, err = http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, false, unsent{"the request cannot be made from this key"}
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("Accept", "application/json")
	for _, k := range sortedKeys(r.Headers) {
		v, missing := fill(r.Headers[k], values)
		if missing != "" {
			return nil, false, lacks(missing)
		}
		if err := setHeader(req, k, v); err != nil {
			return nil, false, err
		}
	}
	return req, named, q.authenticate(req, r, values)
}

// authenticate adds the credential: the key, or the operator's where the operation is
// the operator's.
func (q *query) authenticate(req *http.Request, r *rules.Request, values map[string]string) error {
	credential := "{{secret}}"
	if q.op.Auth == "operator" {
		credential = "{{operator}}"
	}
	missing := ""
	get := func(template, otherwise string) string {
		if template == "" {
			template = otherwise
		}
		v, m := fill(template, values)
		if missing == "" {
			missing = m
		}
		return v
	}
	name, value := "Authorization", ""
	switch r.Auth {
	case "bearer":
		value = "Bearer " + get("", credential)
	case "header":
		name, value = r.Header, get(r.Value, credential)
	case "basic":
		user, password := get(r.User, credential), get(r.Password, "")
		if r.User == "" && r.Password != "" {
			user = ""
		}
		if strings.Contains(user, ":") && r.Password != "" {
			return unsent{"the name that stands with the key holds a colon"}
		}
		if missing == "" {
			req.SetBasicAuth(user, password)
		}
	}
	if missing != "" {
		return lacks(missing)
	}
	if value == "" {
		return nil
	}
	return setHeader(req, name, value)
}

// setHeader refuses values that would end the header: keys come from hostile files.
func setHeader(req *http.Request, name, value string) error {
	for _, c := range []byte(value) {
		if c < 0x20 && c != '\t' || c >= 0x7f {
			return unsent{"the key holds bytes that no header may hold"}
		}
	}
	req.Header.Set(name, value)
	return nil
}

func payload(r *rules.Request, values map[string]string) (body []byte, contentType string, err error) {
	missing := ""
	switch {
	case r.JSON != nil:
		var v any
		v, missing = fillJSON(r.JSON, values)
		body, err = json.Marshal(v)
		contentType = "application/json"
	case len(r.Form) > 0:
		form := url.Values{}
		for _, k := range sortedKeys(r.Form) {
			v, m := fill(r.Form[k], values)
			if missing == "" {
				missing = m
			}
			form.Set(k, v)
		}
		body, contentType = []byte(form.Encode()), "application/x-www-form-urlencoded"
	case r.Body != "":
		var text string
		text, missing = fillWith(r.Body, values, escaper(r.Type))
		body, contentType = []byte(text), r.Type
	}
	if missing != "" {
		return nil, "", lacks(missing)
	}
	if err != nil {
		return nil, "", unsent{"the request cannot be made from this key"}
	}
	return body, contentType, nil
}

// escaper returns how a value is written into a body of a content type.
func escaper(contentType string) func(string) string {
	switch {
	case strings.Contains(contentType, "json"):
		return func(v string) string {
			b, _ := json.Marshal(v)
			return string(b[1 : len(b)-1])
		}
	case strings.Contains(contentType, "xml"):
		return func(v string) string {
			var b strings.Builder
			_ = xml.EscapeText(&b, []byte(v))
			return b.String()
		}
	case strings.Contains(contentType, "form-urlencoded"):
		return url.QueryEscape
	}
	return func(v string) string { return v }
}

func sortedKeys(m map[string]string) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// send sends a request once and reads the answer. Its error is a failure, which never
// holds the URL or what the other side said.
func (c *Client) send(req *http.Request, named bool) (*answer, error) {
	s := c.strict
	if named {
		s = c.named
	}
	agent := "rekey (+https://github.com/rekeyhq/rekey)"
	if c.opt.Version != "" {
		agent = "rekey/" + c.opt.Version + agent[len("rekey"):]
	}
	req.Header.Set("User-Agent", agent)
	res, err := s.client.Do(req)
	if err != nil {
		return nil, plain(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	if err != nil {
		if f, ok := plain(err).(failure); ok {
			return nil, failure{text: "the answer broke off: " + f.text}
		}
		return nil, plain(err)
	}
	return newAnswer(res.StatusCode, res.Header, body), nil
}

func newAnswer(status int, header http.Header, body []byte) *answer {
	whole := len(body) <= maxBody
	body = body[:min(len(body), maxBody)]
	a := &answer{status: status, header: map[string]string{}, raw: header, body: string(body)}
	for k, v := range header {
		a.header[strings.ToLower(k)] = strings.Join(v, ", ")
	}
	if whole && utf8.Valid(body) {
		a.json = decodeJSON(body)
	}
	start := strings.ToLower(strings.TrimLeft(strings.TrimPrefix(string(body[:min(len(body), 512)]), "\ufeff"), " \t\r\n"))
	xml := strings.HasPrefix(start, "<?xml") && !strings.Contains(start, "<html")
	a.html = strings.HasPrefix(start, "<!doctype html") || strings.Contains(start, "<html") && a.json == nil || strings.HasPrefix(start, "<!--") ||
		a.json == nil && !xml && len(body) > 0 && strings.Contains(a.header["content-type"], "html")
	return a
}
