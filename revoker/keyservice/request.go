package keyservice

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/rekeyhq/rekey/rules"
)

// maxBody is how much of an answer is read, in bytes.
const maxBody = 64 << 10

// unsent is the reason why a request was not made; it holds no secret.
type unsent struct{ reason string }

func (u unsent) Error() string { return u.reason }

// build makes the HTTP request of a step. base is the service's address; named says
// that the user gave it, and then a request with a URL of its own goes there instead.
func (s *service) build(ctx context.Context, r *rules.Request, base string, named bool, values map[string]string) (*http.Request, error) {
	target, err := s.address(r, base, named, values)
	if err != nil {
		return nil, err
	}
	body, contentType, err := payload(r, values)
	if err != nil {
		return nil, err
	}
	method := r.Method
	if method == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, unsent{"the request cannot be made from this key"}
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("Accept", "application/json")
	missing := ""
	get := func(t string) string {
		v, m := fill(t, values)
		if missing == "" {
			missing = m
		}
		return v
	}
	for k, v := range r.Headers {
		if err := setHeader(req, k, get(v)); err != nil {
			return nil, err
		}
	}
	or := func(a, b string) string {
		if a == "" {
			return b
		}
		return a
	}
	switch r.Auth {
	case "bearer":
		err = setHeader(req, "Authorization", "Bearer "+get("{{secret}}"))
	case "basic":
		req.SetBasicAuth(get(or(r.User, "{{secret}}")), get(r.Password))
	case "header":
		err = setHeader(req, r.Header, get(or(r.Value, "{{secret}}")))
	}
	if err != nil {
		return nil, err
	}
	if missing != "" {
		return nil, unsent{"the request needs the key's " + missing + ", which was not found near it"}
	}
	return req, nil
}

// setHeader refuses values that would end the header: keys come from hostile files.
func setHeader(req *http.Request, name, value string) error {
	for _, c := range []byte(value) {
		if c < 0x20 && c != '\t' || c == 0x7f {
			return unsent{"the key holds control characters"}
		}
	}
	req.Header.Set(name, value)
	return nil
}

// address makes the URL of a request and checks that its host is one to which the key
// may go.
func (s *service) address(r *rules.Request, base string, named bool, values map[string]string) (*url.URL, error) {
	raw := r.URL
	if raw == "" || named && strings.Contains(r.URL, "://") {
		// A base that the user named stands for all of the service's hosts.
		path := r.Path
		if raw != "" {
			_, rest, _ := strings.Cut(raw, "://")
			_, path, _ = strings.Cut(rest, "/")
			path = "/" + path
		}
		raw = strings.TrimSuffix(base, "/") + path
	}
	text, missing := fillWith(raw, values, escapePath)
	if missing != "" {
		return nil, unsent{"its address needs the key's " + missing + ", which was not found near it"}
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return nil, unsent{"its address cannot be made from this key"}
	}
	if err := checkScheme(u); err != nil {
		return nil, err
	}
	if !named && !s.hostAllowed(u.Hostname(), r, values) {
		return nil, unsent{"the host that stands with the key is not one of this service's"}
	}
	if len(r.Query) > 0 {
		q := u.Query()
		for k, v := range r.Query {
			v, missing := fill(v, values)
			if missing != "" {
				return nil, unsent{"the request needs the key's " + missing + ", which was not found near it"}
			}
			q.Set(k, v)
		}
		u.RawQuery = q.Encode()
	}
	return u, nil
}

// escapePath escapes a value for a path segment or host: a value can never leave its
// place in the URL.
func escapePath(v string) string { return url.PathEscape(v) }

func checkScheme(u *url.URL) error {
	if u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()) {
		return nil
	}
	return unsent{"its address is not https"}
}

// hostAllowed reports whether host is written in the built-in rule or, where the rule
// takes it from the credential, has one of the suffixes that the rule lists.
func (s *service) hostAllowed(host string, r *rules.Request, values map[string]string) bool {
	written := func(template string) bool {
		_, rest, ok := strings.Cut(template, "://")
		h, _, _ := strings.Cut(rest, "/")
		return ok && !strings.Contains(h, "{{") && strings.EqualFold(h, host)
	}
	if written(s.BaseURL) || written(r.URL) {
		return true
	}
	host = strings.ToLower(host)
	for _, suffix := range s.Hosts {
		if strings.HasPrefix(suffix, ".") && strings.HasSuffix(host, suffix) && len(host) > len(suffix) || host == suffix {
			return true
		}
	}
	return false
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
		for k, t := range r.Form {
			v, m := fill(t, values)
			if missing == "" {
				missing = m
			}
			form.Set(k, v)
		}
		body, contentType = []byte(form.Encode()), "application/x-www-form-urlencoded"
	case r.Body != "":
		var text string
		text, missing = fill(r.Body, values)
		body, contentType = []byte(text), r.Type
	}
	if missing != "" {
		return nil, "", unsent{"the request needs the key's " + missing + ", which was not found near it"}
	}
	return body, contentType, err
}

// send sends a request once and reads the answer. The error never holds the URL,
// which may hold the key.
func (c *Client) send(req *http.Request, named bool) (*answer, http.Header, error) {
	s := c.strict
	if named {
		s = c.relaxed
	}
	if c.opt.Version != "" {
		req.Header.Set("User-Agent", "rekey/"+c.opt.Version+" (+https://github.com/rekeyhq/rekey)")
	} else {
		req.Header.Set("User-Agent", "rekey (+https://github.com/rekeyhq/rekey)")
	}
	res, err := s.client.Do(req)
	if err != nil {
		return nil, nil, plain(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	if err != nil {
		return nil, nil, fmt.Errorf("the answer broke off: %w", plain(err))
	}
	if len(body) > maxBody {
		body = body[:maxBody]
	}
	a := &answer{status: res.StatusCode, header: map[string]string{}, body: string(body)}
	for k, v := range res.Header {
		a.header[strings.ToLower(k)] = strings.Join(v, ", ")
	}
	a.json = decodeJSON(body)
	start := strings.ToLower(strings.TrimSpace(string(body[:min(len(body), 64)])))
	a.html = strings.HasPrefix(start, "<!doctype html") || strings.HasPrefix(start, "<html") ||
		strings.Contains(a.header["content-type"], "text/html") && a.json == nil && len(body) > 0
	return a, res.Header, nil
}

// plain strips the URL from an error of net/http and keeps what went wrong.
func plain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	switch {
	case errors.Is(err, ErrAddress):
		return ErrAddress
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("no answer in time")
	case errors.Is(err, context.Canceled):
		return context.Canceled
	}
	return err
}
