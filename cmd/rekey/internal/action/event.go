// Package action knows GitHub Actions: which commits an event is about, and how to talk
// to the runner without letting foreign text speak for us. It runs nothing and reads no
// environment; what it needs comes in through arguments.
package action

import (
	"encoding/json"
	"fmt"
)

// Event is what the runner says happened. Everything in it may be written by a
// stranger: branch names, repository names, and in a fork even the ids.
//
// Source: docs.github.com/en/webhooks/webhook-events-and-payloads (push, pull_request,
// merge_group), read 2026-11-21.
type Event struct {
	Name string `json:"-"` // GITHUB_EVENT_NAME
	SHA  string `json:"-"` // GITHUB_SHA; for pull requests the merge made for trying

	// push
	Ref        string  `json:"ref"`
	Before     string  `json:"before"`
	After      string  `json:"after"`
	Deleted    bool    `json:"deleted"`
	Forced     bool    `json:"forced"`
	HeadCommit *commit `json:"head_commit"`

	PullRequest *pullRequest `json:"pull_request"`
	MergeGroup  *mergeGroup  `json:"merge_group"`
	Repository  repository   `json:"repository"`
}

type commit struct {
	ID string `json:"id"`
}

type pullRequest struct {
	Number int    `json:"number"`
	Base   branch `json:"base"`
	Head   branch `json:"head"`
}

type branch struct {
	Ref  string      `json:"ref"`
	SHA  string      `json:"sha"`
	Repo *repository `json:"repo"` // null where the fork was deleted
}

type mergeGroup struct {
	HeadSHA string `json:"head_sha"`
	BaseSHA string `json:"base_sha"`
	BaseRef string `json:"base_ref"`
}

type repository struct {
	FullName      string `json:"full_name"`
	DefaultBranch string `json:"default_branch"`
}

// ParseEvent reads the payload of an event. Events whose payload does not matter may
// have none.
func ParseEvent(name, sha string, payload []byte) (Event, error) {
	e := Event{}
	switch name {
	case "push", "pull_request", "pull_request_target", "merge_group":
		if err := json.Unmarshal(payload, &e); err != nil {
			return Event{}, fmt.Errorf("payload of event %s: %w", name, err)
		}
	default: // their fields of the same names mean other things
		var own struct {
			Repository repository `json:"repository"`
		}
		if len(payload) > 0 {
			if err := json.Unmarshal(payload, &own); err != nil {
				return Event{}, fmt.Errorf("payload of event %q: %w", name, err)
			}
		}
		e.Repository = own.Repository
	}
	e.Name, e.SHA = name, sha
	switch {
	case e.pull() && e.PullRequest == nil:
		return Event{}, fmt.Errorf("payload of event %s: no pull_request in it", name)
	case name == "merge_group" && e.MergeGroup == nil:
		return Event{}, fmt.Errorf("payload of event %s: no merge_group in it", name)
	}
	return e, nil
}

func (e *Event) pull() bool { return e.Name == "pull_request" || e.Name == "pull_request_target" }

// fork reports whether the change comes out of another repository than the one that it
// is for. What is not known counts as a fork.
func (e *Event) fork() bool {
	p := e.PullRequest
	return p != nil && (p.Head.Repo == nil || p.Base.Repo == nil || p.Head.Repo.FullName == "" ||
		p.Head.Repo.FullName != p.Base.Repo.FullName)
}

// trusted reports whether only people who may write to the repository can cause the
// event with code of their own. No other event may make rekey ask a key service.
func (e *Event) trusted() bool {
	switch e.Name {
	case "push", "merge_group", "schedule", "workflow_dispatch":
		return true
	}
	return false
}
