package emulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestGitHubEndpoints(t *testing.T) {
	s := start(t, "github", nil)
	live, dead, app := issue(t, s, Issue{Life: Duration(time.Hour)}), issue(t, s, Issue{State: "revoked"}), issue(t, s, Issue{Kind: "ghs"})
	fine, refresh := issue(t, s, Issue{Kind: "github_pat"}), issue(t, s, Issue{Kind: "ghr"})
	fill := map[string]string{"live": live.Secret, "dead": dead.Secret, "app": app.Secret, "fine": fine.Secret, "refresh": refresh.Secret, "made": githubSecret("ghp", 30)}
	const b = "Authorization: Bearer "
	conform(t, s, fill, []row{
		{"user", "GET /user", b + "{live}", "", 200, `"login":"octo-emulated"`},
		{"user_token_scheme", "GET /user", "Authorization: token {live}", "", 200, "X-Oauth-Scopes:[repo, read:org]"},
		{"user_expiry", "GET /user", b + "{live}", "", 200, "Github-Authentication-Token-Expiration"},
		{"user_fine_grained_no_scopes", "GET /user", b + "{fine}", "", 200, "!X-Oauth-Scopes"},
		{"user_dead", "GET /user", b + "{dead}", "", 401, `"message":"Bad credentials"`},
		{"user_made_up", "GET /user", b + "{made}", "", 401, "Bad credentials"},
		{"user_refresh_token", "GET /user", b + "{refresh}", "", 401, "Bad credentials"},
		{"user_nobody", "GET /user", "", "", 401, "Requires authentication"},
		{"user_app", "GET /user", b + "{app}", "", 403, "not accessible by integration"},
		{"installation", "GET /installation/repositories?per_page=1", b + "{app}", "", 200, `"total_count":1`},
		{"installation_pat", "GET /installation/repositories", b + "{live}", "", 403, ""},
		{"revoke_with_authorization", "POST /credentials/revoke", b + "{live}", `{"credentials":["{live}"]}`, 403, ""},
		{"revoke_nothing", "POST /credentials/revoke", "", `{"credentials":[]}`, 422, ""},
		{"revoke_unknown", "POST /credentials/revoke", "", `{"credentials":["{made}"]}`, 202, ""},
		{"revoke_app_is_ignored", "POST /credentials/revoke", "", `{"credentials":["{app}"]}`, 202, ""},
		{"app_lives", "GET /installation/repositories", b + "{app}", "", 200, ""},
		{"revoke", "POST /credentials/revoke", "", `{"credentials":["{live}","{fine}"]}`, 202, ""},
		{"revoked", "GET /user", b + "{live}", "", 401, "Bad credentials"},
		{"end_installation_pat", "DELETE /installation/token", b + "{fine}", "", 401, ""},
		{"end_installation", "DELETE /installation/token", b + "{app}", "", 204, ""},
		{"ended", "GET /installation/repositories", b + "{app}", "", 401, ""},
		{"no_such_path", "GET /nothing", "", "", 404, "Not Found"},
	})
}

func TestGitHubRevokesLater(t *testing.T) {
	s := start(t, "github", map[string]string{"revoke_delay": "1m", "revokes_per_hour": "1"})
	k := issue(t, s, Issue{})
	user := func() int {
		res, _ := ask(t, s, "GET /user", "Authorization: Bearer "+k.Secret, "")
		return res.StatusCode
	}
	ask(t, s, "POST /credentials/revoke", "", `{"credentials":["`+k.Secret+`"]}`)
	if user() != 200 {
		t.Error("202 is not revoked, but the token is dead at once")
	}
	s.Clock().Advance(time.Minute)
	if user() != 401 {
		t.Error("the token outlives its revocation")
	}
	if res, body := ask(t, s, "POST /credentials/revoke", "", `{"credentials":["x"]}`); res.StatusCode != 403 || !strings.Contains(body, "rate limit") {
		t.Errorf("second call in the hour: %d %s", res.StatusCode, body)
	}
	if n := len(s.Outbox()); n != 1 {
		t.Errorf("%d mails to the owner", n)
	}
}

func TestGitLabEndpoints(t *testing.T) {
	s := start(t, "gitlab", nil)
	live, dead, old := issue(t, s, Issue{Name: "ci"}), issue(t, s, Issue{State: "revoked"}), issue(t, s, Issue{State: "expired"})
	weak, doomed := issue(t, s, Issue{Scopes: []string{"read_registry"}}), issue(t, s, Issue{})
	fill := map[string]string{"live": live.Secret, "id": live.ID, "dead": dead.Secret, "old": old.Secret, "weak": weak.Secret, "weakid": weak.ID, "doomed": doomed.Secret, "made": gitlabSecret(), "op": s.Operator()}
	const p, op = "PRIVATE-TOKEN: ", "PRIVATE-TOKEN: {op}"
	conform(t, s, fill, []row{
		{"self", "GET /personal_access_tokens/self", p + "{live}", "", 200, `"active":true`},
		{"self_bearer", "GET /personal_access_tokens/self", "Authorization: Bearer {live}", "", 200, `"user_id":42`},
		{"self_revoked", "GET /personal_access_tokens/self", p + "{dead}", "", 401, "Token was revoked"},
		{"self_expired", "GET /personal_access_tokens/self", p + "{old}", "", 401, "Token is expired"},
		{"self_made_up", "GET /personal_access_tokens/self", p + "{made}", "", 401, "401 Unauthorized"},
		{"self_scope", "GET /personal_access_tokens/self", p + "{weak}", "", 403, "insufficient_scope"},
		{"list", "GET /personal_access_tokens", op, "", 200, `"name":"ci"`},
		{"create", "POST /users/42/personal_access_tokens", op, `{"name":"n","scopes":["api"],"expires_at":"2099-01-01"}`, 201, `"token":"glpat-`},
		{"create_past", "POST /users/42/personal_access_tokens", op, `{"name":"n","scopes":["api"],"expires_at":"2001-01-01"}`, 400, ""},
		{"create_by_user", "POST /users/42/personal_access_tokens", p + "{live}", `{}`, 403, ""},
		{"rotate_scope", "POST /personal_access_tokens/self/rotate", p + "{weak}", `{}`, 403, ""},
		{"rotate", "POST /personal_access_tokens/self/rotate", p + "{live}", `{"expires_at":"2099-01-01"}`, 200, `"expires_at":"2099-01-01"`},
		{"rotated_is_dead", "GET /personal_access_tokens/self", p + "{live}", "", 401, "revoked"},
		{"revoke_self", "DELETE /personal_access_tokens/self", p + "{doomed}", "", 204, ""},
		{"revoke_by_id", "DELETE /personal_access_tokens/{weakid}", op, "", 204, ""},
		{"revoke_by_id_again", "DELETE /personal_access_tokens/{weakid}", op, "", 404, ""},
		{"revoke_by_value_gone", "DELETE /admin/token", op, `{"token":"{weak}"}`, 404, ""},
		{"revoke_by_value_user", "DELETE /admin/token", p + "{made}", `{"token":"{weak}"}`, 401, ""},
		{"no_such_path", "GET /nothing", op, "", 404, "404 Not Found"},
	})
}

// A rotate with a token that was rotated already ends the new token, too.
func TestGitLabReuseDetection(t *testing.T) {
	s := start(t, "gitlab", nil)
	k := issue(t, s, Issue{})
	_, body := ask(t, s, "POST /personal_access_tokens/self/rotate", "PRIVATE-TOKEN: "+k.Secret, "")
	var out struct {
		Token   string
		Expires string `json:"expires_at"`
	}
	if err := json.Unmarshal([]byte(body), &out); err != nil || out.Token == "" {
		t.Fatalf("rotate: %s", body)
	}
	if want := s.Clock().Now().AddDate(0, 0, 7).Format(time.DateOnly); out.Expires != want {
		t.Errorf("without a wish it lives until %s, want a week: %s", out.Expires, want)
	}
	self := func() int {
		res, _ := ask(t, s, "GET /personal_access_tokens/self", "PRIVATE-TOKEN: "+out.Token, "")
		return res.StatusCode
	}
	ask(t, s, "GET /personal_access_tokens/self", "PRIVATE-TOKEN: "+k.Secret, "")
	if self() != 200 {
		t.Error("another call with the old token ended the new one")
	}
	ask(t, s, "POST /personal_access_tokens/self/rotate", "PRIVATE-TOKEN: "+k.Secret, "")
	if self() != 401 {
		t.Error("the second rotate left the new token alive")
	}
}

func TestSlackEndpoints(t *testing.T) {
	s := start(t, "slack", nil)
	live, dead, closed, user := issue(t, s, Issue{}), issue(t, s, Issue{State: "revoked"}), issue(t, s, Issue{State: "inactive"}), issue(t, s, Issue{Kind: "user"})
	hook, abroad := issue(t, s, Issue{Kind: "webhook"}), issue(t, s, Issue{IPAllowlist: []string{"203.0.113.0/24"}})
	fill := map[string]string{"live": live.Secret, "dead": dead.Secret, "closed": closed.Secret, "user": user.Secret, "hook": hook.ID + "/" + hook.Secret, "abroad": abroad.Secret, "made": "xo" + "xb-1-1-" + randomText(24, alnum)}
	const b = "Authorization: Bearer "
	conform(t, s, fill, []row{
		{"test", "POST /auth.test", b + "{live}", "", 200, `"ok":true`},
		{"test_team", "POST /auth.test", b + "{user}", "", 200, `"team_id":"T0EMULATED"`},
		{"test_scopes", "POST /auth.test", b + "{live}", "", 200, "X-Oauth-Scopes"},
		{"test_get", "GET /auth.test", b + "{live}", "", 200, `"ok":true`},
		{"test_form", "POST /auth.test", "Content-Type: application/x-www-form-urlencoded", "token={live}", 200, `"ok":true`},
		{"test_revoked", "POST /auth.test", b + "{dead}", "", 200, "token_revoked"},
		{"test_closed", "POST /auth.test", b + "{closed}", "", 200, "account_inactive"},
		{"test_made_up", "POST /auth.test", b + "{made}", "", 200, "invalid_auth"},
		{"test_address_is_told_the_same", "POST /auth.test", b + "{abroad}", "", 200, "invalid_auth"},
		{"test_nobody", "POST /auth.test", "", "", 200, "not_authed"},
		{"revoke_dry", "POST /auth.revoke?test=1", b + "{live}", "", 200, `"revoked":false`},
		{"revoke", "POST /auth.revoke", b + "{live}", "", 200, `{"ok":true,"revoked":true}`},
		{"revoke_again", "POST /auth.revoke", b + "{live}", "", 200, "token_revoked"},
		{"webhook_empty", "POST /services/{hook}", "", "{}", 400, "no_text"},
		{"webhook_garbage", "POST /services/{hook}", "", "<", 400, "invalid_payload"},
		{"webhook_unknown", "POST /services/T1/B1/x", "", "{}", 404, "no_service"},
		{"no_such_method", "POST /chat.nothing", b + "{user}", "", 200, "unknown_method"},
	})
	if n := len(s.Outbox()); n != 0 {
		t.Errorf("%d messages were posted", n)
	}
}

func TestStripeEndpoints(t *testing.T) {
	s := start(t, "stripe", nil)
	live, weak, dead, old := issue(t, s, Issue{}), issue(t, s, Issue{Kind: "restricted"}), issue(t, s, Issue{State: "revoked"}), issue(t, s, Issue{State: "expired"})
	fill := map[string]string{"live": live.Secret, "weak": weak.Secret, "dead": dead.Secret, "old": old.Secret}
	const b = "Authorization: Bearer "
	conform(t, s, fill, []row{
		{"account", "GET /account", b + "{live}", "", 200, `"object":"account"`},
		{"account_restricted", "GET /account", b + "{weak}", "", 403, "required permissions"},
		{"balance", "GET /balance", b + "{live}", "", 200, `"object":"balance"`},
		{"balance_restricted", "GET /balance", b + "{weak}", "", 403, `"error"`},
		{"balance_dead", "GET /balance", b + "{dead}", "", 401, "Invalid API Key"},
		{"balance_dead_is_masked", "GET /balance", b + "{dead}", "", 401, "!{dead}"},
		{"balance_expired", "GET /balance", b + "{old}", "", 401, "api_key_expired"},
		{"balance_nobody", "GET /balance", "", "", 401, "did not provide"},
		{"charge", "POST /charges", b + "{weak}", "", 403, ""},
		{"no_such_path", "GET /nothing", b + "{live}", "", 404, "Unrecognized"},
	})
}

// sign writes a version 4 signature, from Amazon's description and not from the
// emulator's code.
func sign(req *http.Request, service, id, secret, body string, at time.Time) {
	h := func(key []byte, text string) []byte {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(text))
		return m.Sum(nil)
	}
	sum := func(text string) string { s := sha256.Sum256([]byte(text)); return hex.EncodeToString(s[:]) }
	stamp, day := at.UTC().Format("20060102T150405Z"), at.UTC().Format("20060102")
	req.Header.Set("X-Amz-Date", stamp)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	plain := "POST\n/\n\ncontent-type:application/x-www-form-urlencoded\nhost:" + req.URL.Host + "\nx-amz-date:" + stamp + "\n\ncontent-type;host;x-amz-date\n" + sum(body)
	scope := day + "/us-east-1/" + service + "/aws4_request"
	key := h(h(h(h([]byte("AWS4"+secret), day), "us-east-1"), service), "aws4_request")
	sig := hex.EncodeToString(h(key, "AWS4-HMAC-SHA256\n"+stamp+"\n"+scope+"\n"+sum(plain)))
	req.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=content-type;host;x-amz-date, Signature=%s", id, scope, sig))
}

func TestAWS(t *testing.T) {
	s := start(t, "aws", map[string]string{"new_key_delay": "5s"})
	k := issue(t, s, Issue{Owner: "app"})
	opID, opSecret, _ := strings.Cut(s.Operator(), ":")
	call := func(id, secret, service, body string, at time.Time) (int, string) {
		t.Helper()
		req, err := http.NewRequest("POST", s.URL()+"/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if id != "" {
			sign(req, service, id, secret, body, at)
		}
		res, err := noRedirects.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(b)
	}
	const who, iam = "Action=GetCallerIdentity&Version=2011-06-15", "&Version=2010-05-08"
	rows := []struct {
		name, id, secret, service, body string
		status                          int
		want                            string
	}{
		{"identity", k.ID, k.Secret, "sts", who, 200, "arn:aws:iam::123456789012:user/app"},
		{"wrong_secret", k.ID, opSecret, "sts", who, 403, "SignatureDoesNotMatch"},
		{"unknown_id", awsKeyID(awsAccount), k.Secret, "sts", who, 403, "InvalidClientTokenId"},
		{"nobody", "", "", "sts", who, 403, "MissingAuthenticationToken"},
		{"unknown_action", k.ID, k.Secret, "sts", "Action=Dance", 400, "InvalidAction"},
		{"iam_not_allowed", k.ID, k.Secret, "iam", "Action=ListAccessKeys" + iam, 403, "AccessDenied"},
		{"list", opID, opSecret, "iam", "Action=ListAccessKeys&UserName=app" + iam, 200, "<AccessKeyId>" + k.ID},
		{"list_no_secret", opID, opSecret, "iam", "Action=ListAccessKeys&UserName=app" + iam, 200, "<Status>Active"},
		{"last_used", opID, opSecret, "iam", "Action=GetAccessKeyLastUsed&AccessKeyId=" + k.ID + iam, 200, "<UserName>app"},
		{"create", opID, opSecret, "iam", "Action=CreateAccessKey&UserName=app" + iam, 200, "<SecretAccessKey>"},
		{"create_over_quota", opID, opSecret, "iam", "Action=CreateAccessKey&UserName=app" + iam, 409, "LimitExceeded"},
		{"disable", opID, opSecret, "iam", "Action=UpdateAccessKey&Status=Inactive&UserName=app&AccessKeyId=" + k.ID + iam, 200, "UpdateAccessKeyResponse"},
		{"disabled", k.ID, k.Secret, "sts", who, 403, "InvalidClientTokenId"},
		{"enable", opID, opSecret, "iam", "Action=UpdateAccessKey&Status=Active&UserName=app&AccessKeyId=" + k.ID + iam, 200, ""},
		{"enabled", k.ID, k.Secret, "sts", who, 200, "<Account>123456789012"},
		{"bad_status", opID, opSecret, "iam", "Action=UpdateAccessKey&Status=Maybe&UserName=app&AccessKeyId=" + k.ID + iam, 400, "ValidationError"},
		{"delete", opID, opSecret, "iam", "Action=DeleteAccessKey&UserName=app&AccessKeyId=" + k.ID + iam, 200, "DeleteAccessKeyResponse"},
		{"delete_again", opID, opSecret, "iam", "Action=DeleteAccessKey&UserName=app&AccessKeyId=" + k.ID + iam, 404, "NoSuchEntity"},
		{"deleted", k.ID, k.Secret, "sts", who, 403, "InvalidClientTokenId"},
	}
	created := ""
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			status, body := call(r.id, r.secret, r.service, r.body, time.Now())
			if status != r.status || !strings.Contains(body, r.want) {
				t.Errorf("%d %s, want %d with %q", status, body, r.status, r.want)
			}
			if r.name == "create" {
				created = body
			} else if strings.Contains(body, k.Secret) {
				t.Error("a secret is shown again")
			}
		})
	}
	t.Run("new_keys_take_a_moment", func(t *testing.T) {
		cut := func(tag string) string {
			_, rest, _ := strings.Cut(created, "<"+tag+">")
			v, _, _ := strings.Cut(rest, "</")
			return v
		}
		id, secret := cut("AccessKeyId"), cut("SecretAccessKey")
		if status, body := call(id, secret, "sts", who, time.Now()); status != 403 {
			t.Errorf("at once: %d %s", status, body)
		}
		s.Clock().Advance(5 * time.Second)
		if status, body := call(id, secret, "sts", who, time.Now()); status != 200 {
			t.Errorf("after 5 s: %d %s", status, body)
		}
		if status, _ := call(id, secret, "sts", who, time.Now().Add(-time.Hour)); status != 403 {
			t.Errorf("a signature of an hour ago: %d", status)
		}
	})
}
