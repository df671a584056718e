package emulator

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// The endpoint table of key-services.md section 3.2.3.
func TestNexosisEndpoints(t *testing.T) {
	s := start(t, "nexosis", nil)
	live, paid, off := issue(t, s, Issue{}), issue(t, s, Issue{Kind: "paid"}), issue(t, s, Issue{State: "suspended"})
	fill := map[string]string{"live": live.Secret, "second": live.Second, "paid": paid.Secret, "off": off.Secret, "made": randomHex(16), "op": s.Operator(), "sid": live.ID}
	const key, op = "api-key: ", "Authorization: Bearer {op}"
	conform(t, s, fill, []row{
		{"sessions", "GET /sessions?page=0&pageSize=1", key + "{live}", "", 200, `"items":[]`},
		{"sessions_second_slot", "GET /sessions", key + "{second}", "", 200, `"totalCount":0`},
		{"sessions_quota", "GET /sessions", key + "{live}", "", 200, "Nexosis-Account-Sessioncount-Allotted:[35]"},
		{"sessions_quota_paid", "GET /sessions", "API-KEY: {paid}", "", 200, "Nexosis-Account-Datasetcount-Allotted:[200]"},
		{"sessions_bad_page", "GET /sessions?pageSize=many", key + "{live}", "", 400, "RequestValidation"},
		{"sessions_made_up", "GET /sessions", key + "{made}", "", 401, "invalid subscription key"},
		{"sessions_suspended", "GET /sessions", key + "{off}", "", 401, "invalid subscription key"},
		{"sessions_bearer_is_none", "GET /sessions", "Authorization: Bearer {live}", "", 401, "missing subscription key"},
		{"sessions_query_is_none", "GET /sessions?api-key={live}", "", "", 401, "missing subscription key"},
		{"head_session", "HEAD /sessions/1", key + "{live}", "", 200, "Nexosis-Session-Status"},
		{"no_session", "GET /sessions/2", key + "{live}", "", 404, `"itemType":"session"`},
		{"data", "GET /data?page=0&pageSize=1", key + "{live}", "", 200, `"items":[]`},
		{"put_data", "PUT /data/sales", key + "{live}", `{"data":[]}`, 201, "sales"},
		{"put_no_data", "PUT /data/sales", key + "{live}", "", 400, "NoData"},
		{"get_data", "GET /data/none", key + "{live}", "", 404, "Item of type dataSet with identifier none was not found"},
		{"forecast_community", "POST /sessions/forecast", key + "{live}", "", 403, "Plan Upgrade Required"},
		{"forecast_paid", "POST /sessions/forecast", key + "{paid}", "", 202, ""},
		{"import_community", "POST /imports/Url", key + "{live}", "", 403, `"statusCode":403`},
		{"subscriptions", "GET /subscriptions", op, "", 200, `"id":"/subscriptions/{sid}"`},
		{"subscriptions_without_keys", "GET /subscriptions", op, "", 200, "!{live}"},
		{"subscriptions_by_key", "GET /subscriptions", key + "{live}", "", 401, ""},
		{"list_secrets", "POST /subscriptions/{sid}/listSecrets", op, "", 200, `"primaryKey":"{live}"`},
		{"list_secrets_etag", "POST /subscriptions/{sid}/listSecrets", op, "", 200, "Etag"},
		{"list_secrets_unknown", "POST /subscriptions/none/listSecrets", op, "", 404, ""},
		{"regenerate_stale", "POST /subscriptions/{sid}/regenerateSecondaryKey", op + "\nIf-Match: \"old\"", "", 412, ""},
		{"regenerate_secondary", "POST /subscriptions/{sid}/regenerateSecondaryKey", op, "", 204, ""},
		{"other_slot_lives", "GET /sessions", key + "{live}", "", 200, ""},
		{"regenerated_slot_is_dead", "GET /sessions", key + "{second}", "", 401, "invalid"},
		{"regenerate_primary", "POST /subscriptions/{sid}/regeneratePrimaryKey", op, "", 204, ""},
		{"primary_is_dead", "GET /sessions", key + "{live}", "", 401, "invalid"},
		{"portal", "GET /api/keys", "Cookie: session={op}", "", 200, `"Id":"{sid}"`},
		{"portal_without_cookie", "GET /api/keys", "", "", 302, "/account/login"},
		{"no_such_path", "GET /nothing", key + "{live}", "", 404, `"statusCode":404`},
	})
}

func TestNexosisStates(t *testing.T) {
	get := func(t *testing.T, s *Server, key string) int {
		t.Helper()
		res, _ := ask(t, s, "GET /sessions", "api-key: "+key, "")
		return res.StatusCode
	}
	t.Run("propagation_keeps_the_old_value", func(t *testing.T) {
		s := start(t, "nexosis", map[string]string{"propagation": "30s", "regenerate_returns": "200"})
		k := issue(t, s, Issue{})
		_, body := ask(t, s, "POST /subscriptions/"+k.ID+"/regeneratePrimaryKey", "Authorization: Bearer "+s.Operator(), "")
		var out struct{ PrimaryKey, SecondaryKey string }
		if err := json.Unmarshal([]byte(body), &out); err != nil || out.SecondaryKey != k.Second || out.PrimaryKey == k.Secret {
			t.Fatalf("regenerate changed %s", body)
		}
		if a, b := get(t, s, k.Secret), get(t, s, out.PrimaryKey); a != 200 || b != 200 {
			t.Errorf("at first old %d, new %d", a, b)
		}
		s.Clock().Advance(30 * time.Second)
		if a := get(t, s, k.Secret); a != 401 {
			t.Errorf("after 30 s old %d", a)
		}
	})
	t.Run("purchase_makes_another", func(t *testing.T) {
		s := start(t, "nexosis", nil)
		k := issue(t, s, Issue{})
		if err := s.Event(k.ID, "purchase"); err != nil {
			t.Fatal(err)
		}
		if get(t, s, k.Secret) != 200 || len(s.State()) != 2 {
			t.Error("the community key died, or no paid subscription came")
		}
	})
	t.Run("lost_answer", func(t *testing.T) {
		s := start(t, "nexosis", nil)
		k := issue(t, s, Issue{})
		if err := s.AddFault(Fault{Match: Match{Method: "POST"}, Do: Effect{CommitThenReset: true}}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := try(s, "POST /subscriptions/"+k.ID+"/regenerateSecondaryKey", "Authorization: Bearer "+s.Operator(), ""); err == nil {
			t.Fatal("an answer came")
		}
		_, body := ask(t, s, "POST /subscriptions/"+k.ID+"/listSecrets", "Authorization: Bearer "+s.Operator(), "")
		if strings.Contains(body, k.Second) || !strings.Contains(body, k.Secret) {
			t.Error("listSecrets does not show that the slot was regenerated")
		}
	})
	t.Run("limits", func(t *testing.T) {
		s := start(t, "nexosis", map[string]string{"limits": "2", "strict_missing_text": "nexosis"})
		k := issue(t, s, Issue{})
		get(t, s, k.Secret)
		get(t, s, k.Secret)
		res, body := ask(t, s, "GET /sessions", "api-key: "+k.Secret, "")
		if res.StatusCode != 429 || res.Header.Get("Retry-After") != "30" || !strings.Contains(body, "Try again in 30 seconds") {
			t.Errorf("third call in a minute: %d %s", res.StatusCode, body)
		}
		if _, body := ask(t, s, "GET /sessions", "", ""); !strings.Contains(body, "invalid subscription key") {
			t.Errorf("no key: %s", body)
		}
	})
}

// The endpoint table of key-services.md section 3.3.2, in both answer modes.
func TestCloreEndpoints(t *testing.T) {
	for _, mode := range []string{"ok200", "mapped"} {
		t.Run(mode, func(t *testing.T) {
			s := start(t, "clore", map[string]string{"http_mode": mode, "rate_per_minute": "0"})
			live, gone, off, doomed := issue(t, s, Issue{Name: "a"}), issue(t, s, Issue{State: "deleted"}), issue(t, s, Issue{State: "disabled"}), issue(t, s, Issue{})
			fill := map[string]string{"live": live.Secret, "gone": gone.Secret, "off": off.Secret, "offid": off.ID, "doomed": doomed.Secret, "made": cloreSecret(), "op": s.Operator(), "id": live.ID}
			const key, op = "auth: ", "auth: {op}"
			code := func(n int) int {
				if mode == "ok200" {
					return 200
				}
				return map[int]int{0: 200, 2: 400, 3: 401, 4: 404, 6: 400}[n]
			}
			conform(t, s, fill, []row{
				{"wallets", "GET /wallets", key + "{live}", "", 200, `"code":0,"wallets":[{`},
				{"wallets_made_up", "GET /wallets", key + "{made}", "", code(3), `"code":3`},
				{"wallets_deleted", "GET /wallets", key + "{gone}", "", code(3), `"code":3`},
				{"wallets_disabled", "GET /wallets", key + "{off}", "", code(3), `"code":3`},
				{"wallets_bearer_is_none", "GET /wallets", "Authorization: Bearer {live}", "", code(3), `"code":3`},
				{"wallets_no_key", "GET /wallets", "", "", code(3), `"code":3`},
				{"marketplace_answers_anybody", "GET /marketplace", "", "", 200, `"code":0`},
				{"marketplace_dead_key", "GET /marketplace", key + "{gone}", "", 200, `"code":0`},
				{"orders", "GET /my_orders?return_completed=true", key + "{live}", "", 200, `"orders":[]`},
				{"servers", "GET /my_servers", key + "{live}", "", 200, `"code":0`},
				{"server_config", "GET /server_config", key + "{live}", "", 200, `"code":0`},
				{"spot", "GET /spot_marketplace?market=1", key + "{live}", "", 200, `"code":0`},
				{"poh", "GET /poh_balance", key + "{live}", "", 200, `"code":0`},
				{"fees", "GET /renter_fees", key + "{live}", "", 200, `"code":0`},
				{"order", "POST /create_order", key + "{live}", "{}", 200, `"code":0`},
				{"cancel", "POST /cancel_order", key + "{live}", "{}", 200, `"code":0`},
				{"settings", "POST /set_server_settings", key + "{live}", "{}", 200, `"code":0`},
				{"price", "POST /set_spot_price", key + "{live}", "{}", 200, `"code":0`},
				{"keys", "GET /api_keys", op, "", 200, `"name":"a"`},
				{"keys_no_secret", "GET /api_keys", op, "", 200, "!{live}"},
				{"keys_by_key", "GET /api_keys", key + "{live}", "", 200, `"keys":[`},
				{"create", "POST /create_api_key", op, `{"name":"new"}`, 200, `"api_key":"`},
				{"create_bad", "POST /create_api_key", op, `{"label":"new"}`, code(2), `"code":2`},
				{"create_no_key", "POST /create_api_key", "", `{"name":"new"}`, code(3), `"code":3`},
				{"revoke_by_value", "POST /revoke_api_key", op, `{"api_key":"{doomed}"}`, 200, `"code":0`},
				{"revoke_again", "POST /revoke_api_key", op, `{"api_key":"{doomed}"}`, code(6), "key_not_found"},
				{"revoke_nothing", "POST /revoke_api_key", op, `{}`, code(2), `"code":2`},
				{"revoked_is_dead", "GET /wallets", key + "{doomed}", "", code(3), `"code":3`},
				{"enable", "POST /enable_api_key", op, `{"id":"{offid}"}`, 200, `"code":0`},
				{"enabled_lives", "GET /wallets", key + "{off}", "", 200, `"code":0`},
				{"disable", "POST /disable_api_key", op, `{"id":{offid}}`, 200, `"code":0`},
				{"disable_unknown", "POST /disable_api_key", op, `{"id":1}`, code(6), "key_not_found"},
				{"revoke_itself", "POST /revoke_api_key", key + "{live}", `{"id":{id}}`, 200, `"code":0`},
				{"itself_is_dead", "GET /wallets", key + "{live}", "", code(3), `"code":3`},
				{"no_such_path", "GET /nothing", op, "", code(4), `"code":4`},
			})
		})
	}
}

func TestCloreLimitsAndNames(t *testing.T) {
	s := start(t, "clore", map[string]string{"error_field": "on", "marketplace_auth": "on"})
	a, b := issue(t, s, Issue{}), issue(t, s, Issue{})
	get := func(key string) string {
		_, body := ask(t, s, "GET /wallets", "auth: "+key, "")
		return body
	}
	if !strings.Contains(get(a.Secret), `"code":0`) || !strings.Contains(get(a.Secret), "exceeded_request_limit") || !strings.Contains(get(b.Secret), `"code":0`) {
		t.Error("the limit is not one request a second and key")
	}
	s.Clock().Advance(time.Second)
	if !strings.Contains(get(a.Secret), `"code":0`) {
		t.Error("no answer after a second")
	}
	if body := get(cloreSecret()); !strings.Contains(body, "invalid_api_token") {
		t.Errorf("made-up key: %s", body)
	}
	if body := get(cloreSecret()); !strings.Contains(body, `"code":5`) {
		t.Errorf("second made-up key from the same address: %s", body)
	}
	s.Clock().Advance(time.Second)
	if _, body := ask(t, s, "GET /marketplace", "", ""); !strings.Contains(body, `"code":3`) {
		t.Errorf("marketplace with marketplace_auth: %s", body)
	}
}

// The endpoint table of key-services.md section 3.4.2.
func TestNexQloudEndpoints(t *testing.T) {
	s := start(t, "nexqloud", nil)
	live := issue(t, s, Issue{Name: "ci"})
	noScope := issue(t, s, Issue{Scopes: []string{"storage:read"}})
	abroad := issue(t, s, Issue{IPAllowlist: []string{"203.0.113.0/24"}})
	spent := issue(t, s, Issue{Attributes: map[string]any{"quota": object{"limit": 1, "used": 1}}})
	dead, old := issue(t, s, Issue{State: "revoked"}), issue(t, s, Issue{State: "expired"})
	fill := map[string]string{"live": live.Secret, "id": live.ID, "noscope": noScope.Secret, "abroad": abroad.Secret, "spent": spent.Secret, "dead": dead.Secret, "deadid": dead.ID, "old": old.Secret, "made": "dcp_" + randomText(40, alnum), "op": s.Operator()}
	const b = "Authorization: Bearer "
	const op = b + "{op}"
	conform(t, s, fill, []row{
		{"node_types", "GET /node-types", b + "{live}", "", 200, `[{"label":"Standard","node_type_id":1}`},
		{"node_types_made_up", "GET /node-types", b + "{made}", "", 401, `{"message":"Unauthorized","statusCode":401}`},
		{"node_types_revoked", "GET /node-types", b + "{dead}", "", 401, `"statusCode":401`},
		{"node_types_expired", "GET /node-types", b + "{old}", "", 401, `"statusCode":401`},
		{"node_types_scope", "GET /node-types", b + "{noscope}", "", 403, `"statusCode":403`},
		{"node_types_address", "GET /node-types", b + "{abroad}", "", 403, "Forbidden"},
		{"node_types_quota", "GET /node-types", b + "{spent}", "", 429, "Quota exceeded"},
		{"list", "GET /api-keys", op, "", 200, `"name":"ci"`},
		{"list_no_secret", "GET /api-keys", op, "", 200, "!{live}"},
		{"list_by_key", "GET /api-keys", b + "{live}", "", 403, ""},
		{"list_nobody", "GET /api-keys", "", "", 401, ""},
		{"create", "POST /api-keys", op, `{"name":"n","scopes":["nodes:read"],"quota":{"limit":5},"expires_at":"2099-01-01T00:00:00Z"}`, 201, `"key":"dcp_`},
		{"create_bad", "POST /api-keys", op, `{"color":1}`, 400, "color"},
		{"create_past", "POST /api-keys", op, `{"expires_at":"2001-01-01T00:00:00Z"}`, 400, "expires_at"},
		{"patch", "PATCH /api-keys/{id}", op, `{"rate_limit":{"per_minute":600},"team":"core"}`, 200, `"team":"core"`},
		{"patch_unknown", "PATCH /api-keys/none", op, `{}`, 404, ""},
		{"usage", "GET /api-keys/{id}/usage", op, "", 200, `"count":1`},
		{"token", "POST /tokens", b + "{live}", `{"kind":"temporary","ttl":"5m"}`, 201, `"token":"dcp_`},
		{"token_bad", "POST /tokens", b + "{live}", `{"kind":"eternal"}`, 400, ""},
		{"refresh_with_a_key", "POST /tokens/refresh", b + "{live}", "", 403, "no refresh token"},
		{"regenerate", "POST /api-keys/{id}/regenerate", op, "", 200, `"key":"dcp_`},
		{"regenerate_ends_at_once", "GET /node-types", b + "{live}", "", 401, ""},
		{"regenerate_revoked", "POST /api-keys/{deadid}/regenerate", op, "", 409, ""},
		{"revoke", "POST /api-keys/{id}/revoke", op, "", 200, `{"id":"{id}","status":"revoked"}`},
		{"revoke_again", "POST /api-keys/{id}/revoke", op, "", 200, "revoked"},
		{"revoke_unknown", "POST /api-keys/none/revoke", op, "", 404, ""},
		{"audit", "GET /audit?since=2020-01-01T00:00:00Z", op, "", 200, `"action":"revoke"`},
		{"no_such_path", "GET /nothing", op, "", 404, "Cannot GET"},
	})
}

func TestNexQloudTokensAndLimits(t *testing.T) {
	node := func(t *testing.T, s *Server, key string) int {
		t.Helper()
		res, _ := ask(t, s, "GET /node-types", "Authorization: Bearer "+key, "")
		return res.StatusCode
	}
	token := func(t *testing.T, s *Server, call, key, body string) string {
		t.Helper()
		_, text := ask(t, s, call, "Authorization: Bearer "+key, body)
		var out struct{ Token string }
		if err := json.Unmarshal([]byte(text), &out); err != nil || out.Token == "" {
			t.Fatalf("%s: %s", call, text)
		}
		return out.Token
	}
	for _, cascade := range []string{"on", "off"} {
		t.Run("cascade_"+cascade, func(t *testing.T) {
			s := start(t, "nexqloud", map[string]string{"cascade": cascade})
			k := issue(t, s, Issue{})
			refresh := token(t, s, "POST /tokens", k.Secret, `{"kind":"refresh"}`)
			short := token(t, s, "POST /tokens", k.Secret, `{"kind":"temporary","ttl":"1m"}`)
			if node(t, s, short) != 200 {
				t.Error("a temporary token does not work")
			}
			s.Clock().Advance(time.Minute)
			if node(t, s, short) != 401 {
				t.Error("a temporary token works after its time")
			}
			if err := s.Event(k.ID, "revoked"); err != nil {
				t.Fatal(err)
			}
			res, _ := ask(t, s, "POST /tokens/refresh", "Authorization: Bearer "+refresh, "")
			if want := map[string]int{"on": 401, "off": 201}[cascade]; res.StatusCode != want {
				t.Errorf("refresh after revocation: %d, want %d", res.StatusCode, want)
			}
		})
	}
	t.Run("rate_limit_and_anomaly", func(t *testing.T) {
		s := start(t, "nexqloud", map[string]string{"anomaly": "2"})
		k := issue(t, s, Issue{Attributes: map[string]any{"rate_limit": object{"per_minute": 3}}})
		for range 3 {
			node(t, s, k.Secret)
		}
		res, _ := ask(t, s, "GET /node-types", "Authorization: Bearer "+k.Secret, "")
		if res.StatusCode != 429 || res.Header.Get("Retry-After") != "20" {
			t.Errorf("fourth use: %d, Retry-After %q", res.StatusCode, res.Header.Get("Retry-After"))
		}
		if n := len(s.Outbox()); n != 1 {
			t.Errorf("%d messages about an anomaly", n)
		}
		s.Clock().Advance(time.Hour)
		if err := s.SetKnob("trust_xff", "on"); err != nil {
			t.Fatal(err)
		}
		ask(t, s, "GET /node-types", "Authorization: Bearer "+k.Secret+"\nX-Forwarded-For: 203.0.113.7", "")
		ask(t, s, "GET /node-types", "Authorization: Bearer "+k.Secret+"\nX-Forwarded-For: 203.0.113.8", "")
		if n := len(s.Outbox()); n != 2 {
			t.Errorf("%d messages after a new network, want one more", n)
		}
	})
	t.Run("expires", func(t *testing.T) {
		s := start(t, "nexqloud", nil)
		k := issue(t, s, Issue{Life: Duration(time.Hour)})
		s.Clock().Advance(time.Hour)
		if node(t, s, k.Secret) != 401 {
			t.Error("an expired key works")
		}
	})
}
