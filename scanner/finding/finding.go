package finding

import "time"

// Kinds of occurrence: where in a target a secret stood (design.md section 5).
const (
	KindBlob          = "blob"
	KindCommitMessage = "commit-message"
	KindTagMessage    = "tag-message"
	KindAuthor        = "author"
	KindCommitter     = "committer"
	KindPath          = "path"
	KindRefName       = "ref-name"
	KindStaged        = "staged"
	KindWorktree      = "worktree"
	KindStdin         = "stdin"
)

// Occurrence is one secret at one place. Lines and columns start at 1, columns
// count bytes, ends are inclusive. Fields that do not apply are zero.
type Occurrence struct {
	Kind string
	// Path is relative to the target's root, with forward slashes; entries of an
	// archive follow after "!". Bytes that are not UTF-8 are kept.
	Path        string
	StartLine   int
	StartColumn int
	EndLine     int
	EndColumn   int
	// StartUTF16 and EndUTF16 are the columns in UTF-16 code units, as SARIF counts
	// them: from 1, the end exclusive. Zero where they are not known. The text of the
	// line is not kept: it may hold other secrets.
	StartUTF16, EndUTF16 int
	// Decoded names the layers that were undone to see the secret, outermost first:
	// base64, hex, percent, utf-16, escape.
	Decoded []string
	// Versions is the number of distinct blobs at this path that hold the secret.
	Versions int
	URL      string
	Git      Provenance
}

// Provenance is where in a repository's history an occurrence stands.
type Provenance struct {
	Blob      string
	Commit    string
	Author    string
	Email     string
	Date      time.Time // of the commit's author
	Subject   string
	Refs      []string
	InHead    bool
	Reachable bool
}

// Suppression says who hides a finding and why. By is baseline, comment, allowlist
// or ignore-file; Where is file:line or the entry's name.
type Suppression struct {
	By     string
	Reason string
	Where  string
}

// Verification is what the key's own service said. Scopes and owner never hold
// secret values.
type Verification struct {
	Status    Status
	Reason    string
	CheckedAt time.Time
	Owner     string
	KeyID     string
	Scopes    []string
	ExpiresAt time.Time
	// Extra holds further saved values, such as a plan. Never secret.
	Extra map[string]string
}

// Part is a further value of a multi-part credential, such as the id of an AWS key.
type Part struct {
	Name   string
	Value  Secret
	Public bool // may be shown in full
}

// Checksum tells what the format's checksum said of a secret.
type Checksum string

// Checksum results. A wrong checksum that may reject never becomes a finding.
const (
	ChecksumNone  Checksum = "none"  // the format has none, or it may only raise confidence and did not
	ChecksumValid Checksum = "valid" // proof of form
)

// Finding is one secret with all its occurrences.
type Finding struct {
	Fingerprint Fingerprint
	Rule        string
	Service     string
	Kind        string // of credential: part of the fingerprint
	Title       string
	Severity    Severity
	Confidence  Confidence
	Secret      Secret
	// Public is the number of leading bytes of Secret that are not secret.
	Public int
	// LowEntropy marks a secret that can be guessed, such as a password: nothing of it
	// is ever shown.
	LowEntropy   bool
	Checksum     Checksum
	Parts        []Part
	Environment  string
	Verification Verification
	Suppressed   *Suppression
	Occurrences  []Occurrence
	// Dropped counts occurrences beyond the cap per finding.
	Dropped int
	Docs    string
	Actions []string // remedies the service offers: rotate, revoke
}
