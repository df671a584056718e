package emulator

import (
	"net/http"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/rules/builtin"
)

// notEmulated are requests of rule files about kinds of keys that no emulator issues.
var notEmulated = map[string][]string{
	"gitlab": {"gitlab-job-token", "gitlab-*runner-token"},
	"aws":    {"aws-bedrock-*"},
}

// Every request that a rule file declares is an endpoint of its emulator.
func TestRuleRequestsAreEmulated(t *testing.T) {
	blank := regexp.MustCompile(`\{\{[a-z_]+\}\}`)
	for _, svc := range builtin.Services() {
		if makers[svc.ID] == nil {
			continue
		}
		s := start(t, svc.ID, nil)
		check := func(op *rules.Operation, r *rules.Request) {
			p := r.Path
			if r.URL != "" { // another host of the service: a named base stands for it
				_, rest, _ := strings.Cut(r.URL, "://")
				_, p, _ = strings.Cut(rest, "/")
				p = "/" + p
			}
			if p == "" || skipped(svc.ID, op.Rules) {
				return
			}
			method := r.Method
			if method == "" {
				method = http.MethodGet
			}
			slots := op.Slots
			if !strings.Contains(p, "{{slot}}") || len(slots) == 0 {
				slots = []string{"Primary"}
			}
			for _, slot := range slots {
				plain := blank.ReplaceAllString(strings.ReplaceAll(p, "{{slot}}", slot), "x")
				req, err := http.NewRequest(method, "http://127.0.0.1"+s.prefix+plain, nil)
				if err != nil {
					t.Fatal(err)
				}
				if _, pattern := s.mux.Handler(req); pattern == "" {
					t.Errorf("%s: no endpoint for %s %s", svc.ID, method, plain)
				}
			}
		}
		ops := svc.Operations()
		n := 0
		for _, set := range [][]rules.Operation{ops.Verify, ops.Whoami, ops.List, ops.Regenerate, ops.Revoke, ops.Disable, ops.Enable} {
			for i := range set {
				n++
				check(&set[i], &set[i].Request)
				for j := range set[i].Before {
					check(&set[i], &set[i].Before[j].Request)
				}
			}
		}
		if n == 0 {
			t.Errorf("%s: no operation was checked", svc.ID)
		}
	}
}

func skipped(service string, names []string) bool {
	for _, g := range notEmulated[service] {
		for _, name := range names {
			if ok, _ := path.Match(g, name); ok {
				return true
			}
		}
	}
	return false
}
