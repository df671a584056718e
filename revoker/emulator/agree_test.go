package emulator_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rekeyhq/rekey/revoker/emulator"
	"github.com/rekeyhq/rekey/revoker/keyservice"
	"github.com/rekeyhq/rekey/rules/builtin"
	"github.com/rekeyhq/rekey/scanner/detect"
	"github.com/rekeyhq/rekey/scanner/finding"
)

// line is a key as it stands in a file: some services' keys need a name.
func line(service string, k emulator.Issued) string {
	switch service {
	case "nexosis", "clore":
		return strings.ToUpper(service) + "_API_KEY=" + k.Secret + "\n"
	case "nexqloud":
		return "DCP_API_KEY=" + k.Secret + "\n"
	case "aws":
		return "AWS_ACCESS_KEY_ID=" + k.ID + "\nAWS_SECRET_ACCESS_KEY=" + k.Secret + "\n"
	}
	return "KEY=" + k.Secret + "\n"
}

func start(t *testing.T, service string, knobs map[string]string) *emulator.Server {
	t.Helper()
	s, err := emulator.Start(context.Background(), emulator.Options{Service: service, Knobs: knobs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// Every key that an emulator issues is one that the built-in rules find: forms,
// checksums and entropies agree.
func TestIssuedKeysAreFound(t *testing.T) {
	det, err := detect.New(builtin.Services(), detect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string][]emulator.Issue{
		"cloudnexus": {{Environment: "prod"}, {Environment: "stg"}, {Environment: "dev"}},
		"github":     {{Kind: "ghp"}, {Kind: "gho"}, {Kind: "ghu"}, {Kind: "ghr"}, {Kind: "ghs"}, {Kind: "github_pat"}},
		"slack":      {{Kind: "bot"}, {Kind: "user"}},
		"stripe":     {{Kind: "live"}, {Kind: "restricted"}, {Kind: "test"}},
	}
	for _, service := range emulator.Services() {
		t.Run(service, func(t *testing.T) {
			s := start(t, service, nil)
			all := kinds[service]
			if all == nil {
				all = []emulator.Issue{{}}
			}
			for _, i := range all {
				for range 20 {
					k, err := s.Issue(i)
					if err != nil {
						t.Fatal(err)
					}
					found := false
					_, matches := det.Explain([]byte(line(service, k)))
					for _, m := range matches {
						found = found || m.Rule.Service == service && string(m.Secret.Reveal()) == k.Secret
					}
					if !found {
						t.Errorf("a key of kind %q is not found", i.Kind+i.Environment)
						break
					}
				}
			}
		})
	}
}

// Rule files and emulators agree about what an answer means, in every verdict.
func TestVerdicts(t *testing.T) {
	type want struct {
		name, rule string
		issue      emulator.Issue
		status     finding.Status
	}
	tests := []struct {
		service string
		knobs   map[string]string
		keys    []want
	}{
		{"cloudnexus", nil, []want{
			{"active", "cloudnexus-api-key", emulator.Issue{}, finding.Active},
			{"grace", "cloudnexus-api-key", emulator.Issue{State: "grace"}, finding.Grace},
			{"scope", "cloudnexus-api-key", emulator.Issue{Scopes: []string{"storage:read"}}, finding.Restricted},
			{"address", "cloudnexus-api-key", emulator.Issue{IPAllowlist: []string{"203.0.113.0/24"}}, finding.Restricted},
			{"revoked", "cloudnexus-api-key", emulator.Issue{State: "revoked"}, finding.Inactive},
		}},
		{"nexosis", nil, []want{
			{"active", "nexosis-api-key", emulator.Issue{}, finding.Active},
			{"suspended", "nexosis-api-key", emulator.Issue{State: "suspended"}, finding.Inactive},
		}},
		{"nexosis", map[string]string{"plan_required": "on"}, []want{
			{"plan", "nexosis-api-key", emulator.Issue{}, finding.Restricted},
		}},
		{"clore", map[string]string{"http_mode": "ok200"}, []want{
			{"deleted_mode_ok200", "clore-api-key", emulator.Issue{State: "deleted"}, finding.Inactive},
		}},
		{"clore", map[string]string{"http_mode": "mapped"}, []want{
			{"active_mode_mapped", "clore-api-key", emulator.Issue{}, finding.Active},
		}},
		{"nexqloud", nil, []want{
			{"active", "nexqloud-api-key", emulator.Issue{}, finding.Active},
			{"revoked", "nexqloud-api-key", emulator.Issue{State: "revoked"}, finding.Inactive},
		}},
		{"nexqloud", map[string]string{"quota_status": "403"}, []want{
			{"quota", "nexqloud-api-key", emulator.Issue{Attributes: map[string]any{"quota": map[string]any{"limit": 1, "used": 1}}}, finding.Restricted},
		}},
		{"github", nil, []want{
			{"active", "github-pat", emulator.Issue{}, finding.Active},
			{"revoked", "github-pat", emulator.Issue{State: "revoked"}, finding.Inactive},
			{"address", "github-pat", emulator.Issue{IPAllowlist: []string{"203.0.113.0/24"}}, finding.Restricted},
			{"app", "github-app-token", emulator.Issue{Kind: "ghs"}, finding.Active},
		}},
		{"gitlab", nil, []want{
			{"active", "gitlab-pat", emulator.Issue{}, finding.Active},
			{"scope", "gitlab-pat", emulator.Issue{Scopes: []string{"read_registry"}}, finding.Restricted},
			{"revoked", "gitlab-pat", emulator.Issue{State: "revoked"}, finding.Inactive},
			{"expired", "gitlab-pat", emulator.Issue{State: "expired"}, finding.Inactive},
		}},
		{"slack", nil, []want{
			{"active", "slack-bot-token", emulator.Issue{}, finding.Active},
			{"revoked", "slack-bot-token", emulator.Issue{State: "revoked"}, finding.Inactive},
		}},
		{"slack", nil, []want{
			{"address_is_unknown", "slack-bot-token", emulator.Issue{IPAllowlist: []string{"203.0.113.0/24"}}, finding.Unknown},
		}},
		{"stripe", nil, []want{
			{"active", "stripe-live-key", emulator.Issue{}, finding.Active},
			{"restricted", "stripe-restricted-key", emulator.Issue{Kind: "restricted"}, finding.Restricted},
			{"revoked", "stripe-live-key", emulator.Issue{State: "revoked"}, finding.Inactive},
			{"expired", "stripe-live-key", emulator.Issue{State: "expired"}, finding.Inactive},
		}},
	}
	// All at once, each with a service of its own: keeping its pace takes the time.
	var all sync.WaitGroup
	for _, tt := range tests {
		for _, k := range tt.keys {
			s := start(t, tt.service, tt.knobs)
			all.Go(func() {
				if err := judge(s, k.rule, k.issue, k.status); err != nil {
					t.Errorf("%s %s: %v", tt.service, k.name, err)
				}
			})
		}
	}
	all.Wait()
}

// judge issues a key, asks about it and says what is wrong with the verdict or with how
// it was come by.
func judge(s *emulator.Server, rule string, issue emulator.Issue, want finding.Status) error {
	id := s.Service()
	client, err := keyservice.New(keyservice.Options{Services: builtin.Services(), Bases: map[string]keyservice.Base{id: {URL: s.URL()}}})
	if err != nil {
		return err
	}
	defer client.Close()
	made, err := s.Issue(issue)
	if err != nil {
		return err
	}
	v := client.Check(context.Background(), keyservice.Key{Service: id, Rule: rule, Secret: finding.NewSecret([]byte(made.Secret)), Values: map[string]string{}})
	if v.Status != want {
		return fmt.Errorf("%v (%s), want %v", v.Status, v.Reason, want)
	}
	if c := s.Counters(); c.InURL != 0 || c.Writes != 0 && id != "slack" || c.Requests > 2 {
		return fmt.Errorf("a key in a URL, a write, or more than one request for the key and one for a made-up one: %+v", c)
	}
	return nil
}

// A faulty service yields right verdicts or unknown, and never a wrong one.
func TestVerdictsUnderFaults(t *testing.T) {
	s := start(t, "stripe", nil)
	live, err := s.Issue(emulator.Issue{})
	if err != nil {
		t.Fatal(err)
	}
	dead, err := s.Issue(emulator.Issue{State: "revoked"})
	if err != nil {
		t.Fatal(err)
	}
	late := emulator.Duration(5 * time.Millisecond)
	for _, e := range []emulator.Effect{{HTML: true}, {RedirectTo: "http://127.0.0.1:1/"}, {WrongJSON: true}, {Truncate: true}, {ResetBefore: true}, {Status: 500}, {Status: 401, Body: "no"}, {Latency: late}} {
		client, err := keyservice.New(keyservice.Options{Services: builtin.Services(), Bases: map[string]keyservice.Base{"stripe": {URL: s.URL()}}, Rate: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range []struct {
			key  emulator.Issued
			want finding.Status
		}{{live, finding.Active}, {dead, finding.Inactive}} {
			if err := s.AddFault(emulator.Fault{Do: e}); err != nil {
				t.Fatal(err)
			}
			v := client.Check(context.Background(), keyservice.Key{Service: "stripe", Rule: "stripe-live-key", Secret: finding.NewSecret([]byte(k.key.Secret)), Values: map[string]string{}})
			if v.Status != k.want && v.Status != finding.Unknown {
				t.Errorf("%+v: %v (%s), want %v or unknown", e, v.Status, v.Reason, k.want)
			}
		}
		client.Close()
	}
}
