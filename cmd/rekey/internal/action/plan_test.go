package action_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/cmd/rekey/internal/action"
	"github.com/rekeyhq/rekey/scanner/git"
	"github.com/rekeyhq/rekey/scanner/git/gittest"
)

// TestPlanIsWhatGitLists makes histories at random, with merges, and holds the ranges of
// pushes and pull requests against git's own lists.
func TestPlanIsWhatGitLists(t *testing.T) {
	r := gittest.New(t)
	rng := rand.New(rand.NewPCG(6, 2))
	var commits []string
	tree := r.Git("mktree")
	for i := range 24 {
		args := []string{"commit-tree", "-m", fmt.Sprint(i), tree}
		for _, p := range rng.Perm(len(commits))[:min(len(commits), rng.IntN(3))] {
			args = append(args, "-p", commits[p])
		}
		commits = append(commits, r.Git(args...))
	}
	for range 40 {
		old, head, tip := commits[rng.IntN(24)], commits[rng.IntN(24)], commits[rng.IntN(24)]
		r.Git("update-ref", "refs/remotes/origin/main", tip)
		repo, err := git.Open(r.Dir, git.Options{})
		if err != nil {
			t.Fatal(err)
		}
		push := `{"ref":"refs/heads/x","before":"` + old + `","after":"` + head + `","forced":%v,"repository":{"default_branch":"main"}}`
		check(t, r, repo, "push", fmt.Sprintf(push, false), head, "^"+old)
		check(t, r, repo, "push", fmt.Sprintf(push, true), head, "^"+old, "^"+tip)
		check(t, r, repo, "push", strings.ReplaceAll(fmt.Sprintf(push, false), old+`","after`, strings.Repeat("0", 40)+`","after`), head, "^"+tip)
		pull := `{"pull_request":{"base":{"ref":"main","sha":"` + old + `"},"head":{"sha":"` + head + `"}}}`
		want := []string{head, "^" + old}
		if _, err := r.Run(".", nil, "merge-base", "--is-ancestor", head, tip); err != nil {
			want = append(want, "^"+tip)
		}
		check(t, r, repo, "pull_request", pull, want...)
		_ = repo.Close()
	}
}

func check(t *testing.T, r *gittest.Repo, repo *git.Repository, name, payload string, revs ...string) {
	t.Helper()
	e, err := action.ParseEvent(name, "", []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	p, err := action.NewPlan(context.Background(), repo, e)
	if err != nil {
		t.Fatal(err)
	}
	got, err := repo.Range(context.Background(), git.RangeSpec{Revisions: strings.Fields(p.Range())})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, o := range got.Commits {
		ids = append(ids, o.String())
	}
	want := strings.Fields(r.Git(append([]string{"rev-list"}, revs...)...))
	slices.Sort(ids)
	slices.Sort(want)
	if !slices.Equal(ids, want) {
		t.Errorf("%s %s:\ngot  %v\nwant %v", name, payload, ids, want)
	}
}

// TestWhoIsTrusted names the events on which key services may be asked, and whose own
// comments count.
func TestWhoIsTrusted(t *testing.T) {
	r := gittest.New(t)
	r.Git("commit", "-q", "--allow-empty", "-m", "one")
	id := r.Git("rev-parse", "HEAD")
	repo, err := git.Open(r.Dir, git.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer repo.Close()
	pull := func(head string) string {
		return `{"pull_request":{"base":{"sha":"` + id + `","repo":{"full_name":"a/a"}},"head":{"sha":"` + id + `","repo":` + head + `}}}`
	}
	push := `{"after":"` + id + `","before":"` + id + `"}`
	tests := []struct {
		name, event, payload string
		trusted, stranger    bool
	}{
		{"push", "push", push, true, false},
		{"schedule", "schedule", "", true, false},
		{"dispatch", "workflow_dispatch", "{}", true, false},
		{"merge_group", "merge_group", `{"merge_group":{"head_sha":"` + id + `","base_sha":"` + id + `"}}`, true, false},
		{"own_branch", "pull_request", pull(`{"full_name":"a/a"}`), false, false},
		{"fork", "pull_request", pull(`{"full_name":"b/a"}`), false, true},
		{"deleted_fork", "pull_request", pull("null"), false, true},
		{"nameless_fork", "pull_request", pull("{}"), false, true},
		{"target", "pull_request_target", pull(`{"full_name":"b/a"}`), false, true},
		{"issue_comment", "issue_comment", `{"pull_request":5}`, false, false},
		{"workflow_run", "workflow_run", "{}", false, false},
		{"unknown", "of the future", "", false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, err := action.ParseEvent(tt.event, "", []byte(tt.payload))
			if err != nil {
				t.Fatal(err)
			}
			p, err := action.NewPlan(context.Background(), repo, e)
			if err != nil {
				t.Fatal(err)
			}
			if p.Trusted != tt.trusted || p.Stranger != tt.stranger {
				t.Errorf("trusted %v, stranger %v; want %v, %v", p.Trusted, p.Stranger, tt.trusted, tt.stranger)
			}
		})
	}
}
