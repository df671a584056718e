package report

import (
	"fmt"

	"github.com/rekeyhq/rekey/scanner/finding"
)

// statusWords says what a status means to someone who sees it for the first time.
// Unknown is never shown as dead.
func statusWords(s finding.Status) string {
	switch s {
	case finding.Active:
		return "live"
	case finding.Restricted:
		return "live, with limits"
	case finding.Grace:
		return "live until its grace period ends"
	case finding.Inactive:
		return "no longer accepted"
	case finding.Unknown:
		return "unknown: the service gave no proof either way"
	case finding.Example:
		return "published example"
	case finding.Canary:
		return "canary: using it raises an alarm"
	case finding.Unchecked:
		return "not verified"
	}
	return s.String()
}

// hasIssuer reports whether a service is one that issues keys, and not a heading for
// keys that anybody makes.
func hasIssuer(service string) bool {
	switch service {
	case "", "generic", "private-key", "jwt", "http-basic", "database-url", "ftp", "ldap", "smtp", "custom", "repository":
		return false
	}
	return true
}

// nextStep says what to do about a finding: rotate first, then purge.
func nextStep(s *shown, canRotate bool) string {
	how := "rotate it at " + clean(s.Service)
	if !hasIssuer(s.Service) {
		how = "rotate it where it was issued"
	}
	for _, a := range s.Actions {
		if a == "rotate" && canRotate {
			how = "rotate it (rekey rotate)"
		}
	}
	then := ", then purge it from the history."
	if s.InTree {
		then = ", remove it from the tree, then purge it from the history."
	}
	switch s.Verification.Status {
	case finding.Active, finding.Restricted:
		return "Do now: " + how + then
	case finding.Grace:
		return "The old key still works: finish its rotation" + then
	case finding.Inactive:
		if s.InTree {
			return "Nothing to rotate; remove it from the tree."
		}
		return "Nothing to rotate."
	case finding.Example:
		return "Nothing to do."
	case finding.Canary:
		return "Do not use it: somebody placed it to notice whoever does."
	}
	return "Treat it as live: " + how + then
}

// place says where an occurrence stands, escaped.
func place(o *finding.Occurrence) string {
	at := clean(o.Path)
	switch o.Kind {
	case finding.KindCommitMessage, finding.KindTagMessage, finding.KindAuthor, finding.KindCommitter, finding.KindRefName:
		if at == "" {
			return kindWords(o.Kind)
		}
		return kindWords(o.Kind) + " " + at
	case finding.KindPath:
		return at + " (in the file's name)"
	case finding.KindStdin:
		if at == "" {
			at = "standard input"
		}
	}
	if o.StartLine > 0 {
		at = fmt.Sprintf("%s:%d", at, o.StartLine)
		if o.StartColumn > 0 {
			at = fmt.Sprintf("%s:%d", at, o.StartColumn)
		}
	}
	return at
}

func kindWords(kind string) string {
	switch kind {
	case finding.KindCommitMessage:
		return "commit message"
	case finding.KindTagMessage:
		return "tag message"
	case finding.KindAuthor:
		return "author of a commit"
	case finding.KindCommitter:
		return "committer of a commit"
	case finding.KindRefName:
		return "name of a ref"
	}
	return clean(kind)
}

// short abbreviates an object id.
func short(id string) string {
	if len(id) > 10 {
		return id[:10]
	}
	return id
}
