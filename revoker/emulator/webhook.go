package emulator

import (
	"bytes"
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

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
