package keyservice

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/rules/builtin"
	"github.com/rekeyhq/rekey/scanner/finding"
)

// documentedReply is an answer as the service's documentation or public recordings
// show it (sources stand in the rule files and in key-services.md; read 2026-11-21).
type documentedReply struct {
	service, rule, name string
	status              int
	body                string
	want                finding.Status
}

func documentedReplies() []documentedReply {
	return []documentedReply{
		{"cloudnexus", "cloudnexus-api-key", "instances", 200, `{"data":[],"total":0}`, finding.Active},
		{"cloudnexus", "cloudnexus-api-key", "expired_or_revoked", 401, `{"error":{"code":"UNAUTHORIZED","message":"x","status":401}}`, finding.Inactive},
		{"cloudnexus", "cloudnexus-api-key", "out_of_scope", 403, `{"error":{"code":"FORBIDDEN","message":"x","status":403}}`, finding.Restricted},
		{"cloudnexus", "cloudnexus-api-key", "marketing_page", 200, `<!doctype html><title>CloudNexus</title>`, finding.Unknown},
		{"nexosis", "nexosis-api-key", "sessions", 200, `{"items":[],"pageNumber":0}`, finding.Active},
		{"nexosis", "nexosis-api-key", "plan_upgrade_required", 403, `{"statusCode":403,"message":"Plan Upgrade Required"}`, finding.Restricted},
		{"nexosis", "nexosis-api-key", "invalid_key", 401, `{"statusCode":401,"message":"Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription."}`, finding.Inactive},
		{"nexosis", "nexosis-api-key", "missing_key", 401, `{"statusCode":401,"message":"Access denied due to missing subscription key. Make sure to include subscription key when making requests to an API."}`, finding.Unknown},
		{"nexosis", "nexosis-api-key", "server_error", 500, `{"statusCode":500,"errorType":"ServerError"}`, finding.Unknown},
		{"clore", "clore-api-key", "wallets", 200, `{"code":0,"wallets":[]}`, finding.Active},
		{"clore", "clore-api-key", "invalid_token_in_200", 200, `{"code":3,"error":"Invalid API Token"}`, finding.Inactive},
		{"clore", "clore-api-key", "invalid_token_mapped", 401, `{"code":3,"error":"Invalid API Token"}`, finding.Inactive},
		{"clore", "clore-api-key", "marketplace_trap", 200, `{"code":0,"servers":[]}`, finding.Unknown},
		{"clore", "clore-api-key", "database_error", 200, `{"code":1}`, finding.Unknown},
		{"clore", "clore-api-key", "rate_limit_in_200", 200, `{"code":5}`, finding.Unknown},
		{"github", "github-pat", "user", 200, `{"login":"octocat","id":1}`, finding.Active},
		{"github", "github-pat", "bad_credentials", 401, `{"message":"Bad credentials","documentation_url":"x","status":"401"}`, finding.Inactive},
		{"github", "github-pat", "single_sign_on", 403, `{"message":"Resource protected by organization SAML enforcement."}`, finding.Restricted},
		{"github", "github-pat", "abuse", 403, `{"message":"You have exceeded a secondary rate limit"}`, finding.Unknown},
		{"slack", "slack-bot-token", "ok", 200, `{"ok":true,"team_id":"T1","user_id":"U1"}`, finding.Active},
		{"slack", "slack-bot-token", "revoked_in_200", 200, `{"ok":false,"error":"token_revoked"}`, finding.Inactive},
		{"slack", "slack-bot-token", "invalid_auth_may_be_an_address", 200, `{"ok":false,"error":"invalid_auth"}`, finding.Unknown},
		{"slack", "slack-bot-token", "enterprise", 200, `{"ok":false,"error":"enterprise_is_restricted"}`, finding.Restricted},
		{"stripe", "stripe-live-key", "balance", 200, `{"object":"balance","livemode":true}`, finding.Active},
		{"stripe", "stripe-live-key", "invalid", 401, `{"error":{"message":"Invalid API Key provided: sk_live_***","type":"invalid_request_error"}}`, finding.Inactive},
		{"stripe", "stripe-live-key", "expired", 401, `{"error":{"code":"api_key_expired","message":"Expired API Key provided"}}`, finding.Inactive},
		{"stripe", "stripe-live-key", "permissions", 403, `{"error":{"message":"The provided key does not have the required permissions"}}`, finding.Restricted},
		{"stripe", "stripe-live-key", "platform_401", 401, `{"error":{"message":"You did not provide an API key."}}`, finding.Unknown},
		{"openai", "openai-project-key", "models", 200, `{"object":"list","data":[]}`, finding.Active},
		{"openai", "openai-project-key", "quota_429_is_live", 429, `{"error":{"code":"insufficient_quota"}}`, finding.Restricted},
		{"openai", "openai-project-key", "country", 403, `{"error":{"code":"unsupported_country_region_territory"}}`, finding.Restricted},
		{"openai", "openai-project-key", "wrong_key", 401, `{"error":{"message":"Incorrect API key provided","code":"invalid_api_key"}}`, finding.Inactive},
		{"openai", "openai-project-key", "ip_not_authorized", 401, `{"error":{"code":"ip_not_authorized"}}`, finding.Unknown},
		{"cloudflare", "cloudflare-user-token", "active", 200, `{"success":true,"result":{"id":"x","status":"active"}}`, finding.Active},
		{"cloudflare", "cloudflare-user-token", "disabled_in_200", 200, `{"success":true,"result":{"id":"x","status":"disabled"}}`, finding.Inactive},
		{"cloudflare", "cloudflare-user-token", "invalid", 401, `{"success":false,"errors":[{"code":1000,"message":"Invalid API Token"}]}`, finding.Inactive},
		{"cloudflare", "cloudflare-user-token", "malformed", 400, `{"success":false,"errors":[{"code":6003}]}`, finding.Unknown},
		{"gitlab", "gitlab-pat", "self", 200, `{"id":1,"active":true,"revoked":false}`, finding.Active},
		{"gitlab", "gitlab-pat", "revoked", 401, `{"error":"invalid_token","error_description":"Token was revoked. You have to re-authorize from the user."}`, finding.Inactive},
		{"gitlab", "gitlab-pat", "other_instance", 401, `{"message":"401 Unauthorized"}`, finding.Unknown},
		{"gitlab", "gitlab-pat", "scope", 403, `{"error":"insufficient_scope"}`, finding.Restricted},
		{"brevo", "brevo-api-key", "address_401_is_restricted", 401, `{"message":"We have detected you are using an unrecognised IP address","code":"unauthorized"}`, finding.Restricted},
		{"brevo", "brevo-api-key", "not_found", 401, `{"message":"Key not found","code":"unauthorized"}`, finding.Inactive},
		{"vultr", "vultr-api-key", "address_401_is_restricted", 401, `{"error":"Unauthorized IP address: 192.0.2.1","status":401}`, finding.Restricted},
		{"vultr", "vultr-api-key", "invalid", 401, `{"error":"Invalid API token.","status":401}`, finding.Inactive},
		{"digitalocean", "digitalocean-pat", "unauthorized", 401, `{"id":"Unauthorized","message":"Unable to authenticate you"}`, finding.Inactive},
		{"notion", "notion-token", "restricted", 403, `{"object":"error","code":"restricted_resource"}`, finding.Restricted},
		{"anthropic", "anthropic-api-key", "invalid", 401, `{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}`, finding.Inactive},
		{"anthropic", "anthropic-api-key", "overloaded", 529, `{"type":"error","error":{"type":"overloaded_error"}}`, finding.Unknown},
		{"linear", "linear-api-key", "error_in_200", 200, `{"errors":[{"message":"x"}],"data":null}`, finding.Unknown},
		{"sonar", "sonar-user-token", "invalid_in_200", 200, `{"valid":false}`, finding.Inactive},
	}
}

func TestDocumentedReplies(t *testing.T) {
	st := newStage(t)
	ops := operations(t)
	services := map[string]*rules.Service{}
	for _, o := range ops {
		services[o.service.ID] = o.service
	}
	for _, d := range documentedReplies() {
		t.Run(d.service+"_"+d.name, func(t *testing.T) {
			s := services[d.service]
			all := s.Operations().Verify
			for i := range all {
				if find(all, d.rule) != &all[i] {
					continue
				}
				o := operation{s, i, &all[i], d.rule}
				st.answer = func(w http.ResponseWriter, r *http.Request, _ int) {
					w.Header().Set("Content-Type", "application/json")
					if !json.Valid([]byte(d.body)) {
						w.Header().Set("Content-Type", "text/html")
					}
					w.WriteHeader(d.status)
					io.WriteString(w, d.body)
				}
				wantVerdict(t, st.ask(t, o, o.key()), d.want, "")
				return
			}
			t.Errorf("no operation for %s", d.rule)
		})
	}
}

// A service that accepts everything is not believed; one that refuses everything makes
// nobody live.
func TestServicesThatKnowNoDifference(t *testing.T) {
	all := builtin.Services()
	for _, o := range operations(t) {
		if o.op.Control == "none" || len(o.op.Before) > 0 || o.op.Active == "" {
			continue
		}
		var yes *sample
		for choice := range 8 {
			s, ok := solve(o.op.Active, choice)
			if ok {
				yes = s
				break
			}
		}
		if yes == nil {
			continue
		}
		for name, answer := range map[string]*sample{"accepts": yes, "refuses": {status: 401, header: map[string]string{}, body: `{"error":"no"}`}} {
			st := newStage(t)
			st.answer = func(w http.ResponseWriter, _ *http.Request, _ int) { write(w, answer) }
			c, err := New(Options{Services: all, Bases: map[string]Base{o.service.ID: {URL: st.srv.URL}}, Rate: 1e6})
			if err != nil {
				t.Fatal(err)
			}
			s := c.services[o.service.ID]
			s.once.Do(func() { s.ops = s.Service.Operations() })
			for i := range s.ops.Verify {
				s.ops.Verify[i].Pace = nil
			}
			v := c.Check(context.Background(), o.key())
			c.Close()
			st.srv.Close()
			if v.Status.Live() && !strings.Contains(v.Reason, "not compared") {
				t.Errorf("%s %s everything: %s (%s)", o.name(), name, v.Status, v.Reason)
			}
		}
	}
}
