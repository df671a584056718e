package emulator

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// The endpoint table of key-services.md section 3.1.4.
func TestCloudNexusEndpoints(t *testing.T) {
	s := start(t, "cloudnexus", map[string]string{"plan": "enterprise"})
	live := issue(t, s, Issue{Name: "Backend", Scopes: []string{"compute:read"}, Life: Duration(90 * 24 * time.Hour)})
	write := issue(t, s, Issue{Scopes: []string{"compute:write"}})
	noScope := issue(t, s, Issue{Scopes: []string{"storage:read"}})
	dead := issue(t, s, Issue{State: "revoked"})
	expired := issue(t, s, Issue{State: "expired"})
	abroad := issue(t, s, Issue{IPAllowlist: []string{"203.0.113.0/24"}})
	limited := issue(t, s, Issue{Scopes: []string{"admin:write", "compute:read"}})
	fill := map[string]string{
		"live": live.Secret, "id": live.ID, "write": write.Secret, "noscope": noScope.Secret, "dead": dead.Secret, "expired": expired.Secret,
		"expiredid": expired.ID, "deadid": dead.ID, "abroad": abroad.Secret, "op": s.Operator(), "made": "cnx_" + "prod_" + randomText(30, alnum), "limited": limited.Secret,
	}
	b := "Authorization: Bearer "
	conform(t, s, fill, []row{
		{"instances", "GET /instances?limit=1", b + "{live}", "", 200, `"data":[`},
		{"instances_scheme_in_any_case", "GET /instances", "Authorization: bEARER   {live}", "", 200, `"meta"`},
		{"instances_key_in_query", "GET /instances?api_key={live}", "", "", 200, `"data"`},
		{"instances_two_keys", "GET /instances?api_key={write}", b + "{live}", "", 400, "AMBIGUOUS"},
		{"instances_write_reads", "GET /instances", b + "{write}", "", 200, ""},
		{"instances_no_key", "GET /instances", "", "", 401, "Www-Authenticate"},
		{"instances_other_scheme", "GET /instances", "Authorization: Token {live}", "", 401, "UNAUTHORIZED"},
		{"instances_made_up", "GET /instances", b + "{made}", "", 401, "UNAUTHORIZED"},
		{"instances_revoked", "GET /instances", b + "{dead}", "", 401, "UNAUTHORIZED"},
		{"instances_expired", "GET /instances", b + "{expired}", "", 401, "UNAUTHORIZED"},
		{"instances_scope", "GET /instances", b + "{noscope}", "", 403, "FORBIDDEN"},
		{"instances_address", "GET /instances", b + "{abroad}", "", 403, "FORBIDDEN"},
		{"instances_request_id", "GET /instances", b + "{live}", "", 200, "X-Request-Id"},
		{"new_instance_scope", "POST /instances", b + "{live}", "", 403, "compute:write"},
		{"new_instance", "POST /instances", b + "{write}", "", 201, "id"},
		{"me", "GET /me", b + "{live}", "", 200, `"key_id":"{id}"`},
		{"me_dead", "GET /me", b + "{dead}", "", 401, ""},
		{"list_own", "GET /keys", b + "{live}", "", 200, "{id}"},
		{"list_own_only", "GET /keys", b + "{live}", "", 200, "!{deadid}"},
		{"list_all", "GET /keys", b + "{op}", "", 200, "{deadid}"},
		{"list_status", "GET /keys?status=revoked", b + "{op}", "", 200, "!{id}"},
		{"list_pages", "GET /keys?limit=2", b + "{op}", "", 200, `"next_cursor":"c2"`},
		{"list_next_page", "GET /keys?limit=100&cursor=c2", b + "{op}", "", 200, `"next_cursor":null`},
		{"list_bad_cursor", "GET /keys?cursor=c99", b + "{op}", "", 400, ""},
		{"list_never_a_secret", "GET /keys", b + "{op}", "", 200, "!{live}"},
		{"one", "GET /keys/{id}", b + "{op}", "", 200, `"environment":"production"`},
		{"one_self", "GET /keys/{id}", b + "{live}", "", 200, `"last_used_at":"`},
		{"one_foreign", "GET /keys/{deadid}", b + "{live}", "", 404, "NOT_FOUND"},
		{"create", "POST /keys", b + "{op}", `{"name":"n","environment":"stg","scopes":["compute:read"],"ip_allowlist":["2001:db8::/32"]}`, 201, `"key":"cnx_stg_`},
		{"create_list_as_text", "POST /keys", b + "{op}", `{"name":"n","environment":"production","scopes":"compute:read storage:read"}`, 201, `"storage:read"`},
		{"create_bad_scope", "POST /keys", b + "{op}", `{"scopes":["root"]}`, 400, "RESOURCE:ACTION"},
		{"create_bad_field", "POST /keys", b + "{op}", `{"colour":"red"}`, 400, "colour"},
		{"create_bad_address", "POST /keys", b + "{op}", `{"ip_allowlist":["here"]}`, 400, "CIDR"},
		{"create_past", "POST /keys", b + "{op}", `{"expires_at":"2001-01-01T00:00:00Z"}`, 400, "expires_at"},
		{"create_without_scope", "POST /keys", b + "{live}", `{}`, 403, "admin:write"},
		{"create_more_than_own", "POST /keys", b + "{limited}", `{"scopes":["billing:read"]}`, 403, "billing:read"},
		{"patch", "PATCH /keys/{id}", b + "{op}", `{"name":"New","auto_renew":true}`, 200, `"name":"New"`},
		{"patch_bad_address", "PATCH /keys/{id}", b + "{op}", `{"ip_allowlist":["x"]}`, 400, ""},
		{"patch_scope", "PATCH /keys/{id}", b + "{live}", `{}`, 403, ""},
		{"patch_unknown", "PATCH /keys/none", b + "{op}", `{}`, 404, ""},
		{"rotate_unknown_field", "POST /keys/rotate", b + "{op}", `{"id":"x"}`, 400, "unknown field"},
		{"rotate_unknown_key", "POST /keys/rotate", b + "{op}", `{"key_id":"none"}`, 404, ""},
		{"rotate_foreign", "POST /keys/rotate", b + "{write}", `{"key_id":"{id}"}`, 403, ""},
		{"rotate_expired_by_itself", "POST /keys/rotate", b + "{expired}", `{}`, 401, ""},
		{"rotate_expired_by_admin", "POST /keys/rotate", b + "{op}", `{"key_id":"{expiredid}"}`, 409, "KEY_EXPIRED"},
		{"rotate_revoked", "POST /keys/rotate", b + "{op}", `{"key_id":"{deadid}"}`, 409, "KEY_REVOKED"},
		{"rotate", "POST /keys/rotate", b + "{op}", `{"key_id":"{id}","reason":"leaked"}`, 201, `"status":"grace"`},
		{"rotate_again", "POST /keys/rotate", b + "{op}", `{"key_id":"{id}"}`, 409, `"replaced_by":"cnx_prod_`},
		{"grace_is_marked", "GET /instances", b + "{live}", "", 200, "Sunset"},
		{"delete_foreign", "DELETE /keys/{id}", b + "{write}", "", 404, ""},
		{"delete", "DELETE /keys/{id}?reason=leaked", b + "{op}", "", 204, ""},
		{"delete_again", "DELETE /keys/{id}", b + "{op}", "", 204, ""},
		{"delete_unknown", "DELETE /keys/none", b + "{op}", "", 404, ""},
		{"deleted_is_dead", "GET /instances", b + "{live}", "", 401, ""},
		{"webhook", "POST /webhooks", b + "{op}", `{"url":"http://127.0.0.1:1/x","events":["key.revoked"]}`, 201, "secret"},
		{"webhook_abroad", "POST /webhooks", b + "{op}", `{"url":"https://example.com/x"}`, 400, "loopback"},
		{"audit", "GET /audit", b + "{op}", "", 200, "key.rotated"},
		{"audit_scope", "GET /audit", b + "{write}", "", 403, ""},
		{"no_such_path", "GET /nothing", b + "{op}", "", 404, "NOT_FOUND"},
	})
}

func status(t *testing.T, s *Server, key string) int {
	t.Helper()
	res, _ := ask(t, s, "GET /instances", "Authorization: Bearer "+key, "")
	return res.StatusCode
}

func TestCloudNexusGrace(t *testing.T) {
	rotate := func(t *testing.T, s *Server, old Issued) (id, secret string) {
		t.Helper()
		_, body := ask(t, s, "POST /keys/rotate", "Authorization: Bearer "+old.Secret, "{}")
		var out struct{ Key, ID string }
		if err := json.Unmarshal([]byte(body), &out); err != nil || out.Key == "" {
			t.Fatalf("rotate: %s", body)
		}
		return out.ID, out.Key
	}
	t.Run("ends_after_24_hours", func(t *testing.T) {
		s := start(t, "cloudnexus", nil)
		old := issue(t, s, Issue{})
		_, fresh := rotate(t, s, old)
		s.Clock().Advance(24*time.Hour - time.Second)
		if got := status(t, s, old.Secret); got != 200 {
			t.Errorf("old key at 23:59:59: %d", got)
		}
		s.Clock().Advance(time.Second)
		if a, b := status(t, s, old.Secret), status(t, s, fresh); a != 401 || b != 200 {
			t.Errorf("at 24:00:00 old %d, new %d", a, b)
		}
	})
	t.Run("manual_end", func(t *testing.T) {
		s := start(t, "cloudnexus", map[string]string{"grace_end": "manual"})
		old := issue(t, s, Issue{})
		rotate(t, s, old)
		s.Clock().Advance(72 * time.Hour)
		if got := status(t, s, old.Secret); got != 200 {
			t.Errorf("old key: %d", got)
		}
	})
	t.Run("early_revoke_by_the_successor_takes_admin", func(t *testing.T) {
		s := start(t, "cloudnexus", nil)
		old := issue(t, s, Issue{})
		id, fresh := rotate(t, s, old)
		res, _ := ask(t, s, "DELETE /keys/"+old.ID, "Authorization: Bearer "+fresh, "")
		if res.StatusCode != 403 {
			t.Errorf("successor revokes the old key: %d", res.StatusCode)
		}
		res, _ = ask(t, s, "DELETE /keys/"+id, "Authorization: Bearer "+old.Secret, "")
		if res.StatusCode != 204 || status(t, s, fresh) != 401 {
			t.Errorf("predecessor in grace revokes a stray: %d", res.StatusCode)
		}
	})
	t.Run("expiry_wins", func(t *testing.T) {
		s := start(t, "cloudnexus", nil)
		old := issue(t, s, Issue{Life: Duration(time.Hour)})
		rotate(t, s, old)
		s.Clock().Advance(time.Hour)
		if got := status(t, s, old.Secret); got != 401 {
			t.Errorf("expired key in grace: %d", got)
		}
	})
	t.Run("bad_servers", func(t *testing.T) {
		s := start(t, "cloudnexus", map[string]string{"rotate_scopes": "widen", "rotate_expiry": "none"})
		old := issue(t, s, Issue{Life: Duration(time.Hour)})
		rotate(t, s, old)
		k := s.State()[2]
		if len(k.Grants.Scopes) != 2 || k.Times.Expires != nil {
			t.Errorf("the new key %+v is not wider", k.Grants)
		}
	})
	t.Run("idempotency_key", func(t *testing.T) {
		s := start(t, "cloudnexus", nil)
		old := issue(t, s, Issue{})
		auth := "Authorization: Bearer " + s.Operator() + "\nIdempotency-Key: t1"
		_, a := ask(t, s, "POST /keys/rotate", auth, `{"key_id":"`+old.ID+`"}`)
		_, b := ask(t, s, "POST /keys/rotate", auth, `{"key_id":"`+old.ID+`"}`)
		if a != b || s.Live() != 2 {
			t.Errorf("the same token gave another answer, or %d live keys", s.Live())
		}
		s.Clock().Advance(24 * time.Hour)
		if res, _ := ask(t, s, "POST /keys/rotate", auth, `{"key_id":"`+old.ID+`"}`); res.StatusCode != 409 {
			t.Errorf("after a day: %d", res.StatusCode)
		}
	})
	t.Run("propagation", func(t *testing.T) {
		s := start(t, "cloudnexus", map[string]string{"propagation": "30s"})
		k := issue(t, s, Issue{State: "revoked"})
		if got := status(t, s, k.Secret); got != 200 {
			t.Errorf("at once: %d", got)
		}
		s.Clock().Advance(30 * time.Second)
		if got := status(t, s, k.Secret); got != 401 {
			t.Errorf("after 30 s: %d", got)
		}
	})
}

func TestCloudNexusNotices(t *testing.T) {
	hook := make(chan string, 8)
	target := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if strings.HasPrefix(r.Header.Get("X-CloudNexus-Signature"), "t=") {
			hook <- string(b)
		}
	}))
	defer target.Close()
	s := start(t, "cloudnexus", nil)
	ask(t, s, "POST /webhooks", "Authorization: Bearer "+s.Operator(), `{"url":"`+target.URL+`"}`)
	k := issue(t, s, Issue{Life: Duration(10 * 24 * time.Hour)})
	renewed := issue(t, s, Issue{Life: Duration(10 * 24 * time.Hour), AutoRenew: true})
	s.Clock().Advance(30 * 24 * time.Hour) // through both notices, and the end
	var got []string
	for _, m := range s.Outbox() {
		if m.Kind == "email" && m.Data["key_id"] == k.ID {
			got = append(got, m.Time.Sub(k0(s, k.ID).Times.Created).String())
		}
	}
	if strings.Join(got, " ") != "72h0m0s 216h0m0s" {
		t.Errorf("notices at %v, want 7 days and 1 day before", got)
	}
	if status(t, s, k.Secret) != 401 || status(t, s, renewed.Secret) != 200 {
		t.Error("the expired key lives, or the renewed one does not")
	}
	select {
	case body := <-hook:
		if !strings.Contains(body, "key_id") || strings.Contains(body, k.Secret) {
			t.Errorf("webhook %s", body)
		}
	case <-time.After(2 * time.Second):
		t.Error("no webhook came")
	}
}

func k0(s *Server, id string) Key {
	for _, k := range s.State() {
		if k.ID == id {
			return k
		}
	}
	return Key{}
}

func TestCloudNexusRateLimit(t *testing.T) {
	s := start(t, "cloudnexus", nil)
	k := issue(t, s, Issue{})
	for i := range 100 {
		if got := status(t, s, k.Secret); got != 200 {
			t.Fatalf("request %d: %d", i+1, got)
		}
	}
	res, _ := ask(t, s, "GET /instances", "Authorization: Bearer "+k.Secret, "")
	if res.StatusCode != 429 || res.Header.Get("Retry-After") != "1" {
		t.Errorf("request 101: %d, Retry-After %q", res.StatusCode, res.Header.Get("Retry-After"))
	}
	s.Clock().Advance(time.Second)
	if got := status(t, s, k.Secret); got != 200 {
		t.Errorf("a second later: %d", got)
	}
	// Keys that nobody knows share their address' bucket.
	last := 0
	for range 101 {
		last = status(t, s, "cnx_"+"prod_"+randomText(30, alnum))
	}
	if last != 429 {
		t.Errorf("unknown key 101: %d", last)
	}
}

func TestCloudNexusAddress(t *testing.T) {
	s := start(t, "cloudnexus", map[string]string{"trust_xff": "on", "ip_denied_status": "401", "unauthorized_detail": "reason"})
	k := issue(t, s, Issue{IPAllowlist: []string{"203.0.113.0/24"}})
	auth := "Authorization: Bearer " + k.Secret + "\nX-Forwarded-For: "
	if res, _ := ask(t, s, "GET /instances", auth+"203.0.113.9", ""); res.StatusCode != 200 {
		t.Errorf("from inside: %d", res.StatusCode)
	}
	if res, body := ask(t, s, "GET /instances", auth+"198.51.100.1", ""); res.StatusCode != 401 || !strings.Contains(body, "address") {
		t.Errorf("from outside: %d %s", res.StatusCode, body)
	}
}
