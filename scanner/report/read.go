package report

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/scanner/finding"
)

// ErrSchema is wrapped by the errors of Read that mean: this is no report of ours, or
// one of another version.
var ErrSchema = errors.New("not a report with schema " + Schema)

// Read reads a report that Write wrote as json or jsonl. Unknown fields are ignored;
// another schema, a missing fingerprint or rule, an unknown word for a severity,
// confidence or status, and a jsonl file without its last line are errors.
//
// Secrets come back only from a report that shows them. From a redacted one they are
// empty, and Write shows them as that report did.
func Read(in io.Reader) (*Report, error) {
	dec := json.NewDecoder(in)
	var first json.RawMessage
	if err := dec.Decode(&first); err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	var kind struct{ Schema, Type string }
	if err := json.Unmarshal(first, &kind); err != nil {
		return nil, fmt.Errorf("read report: %w: %w", ErrSchema, err)
	}
	if kind.Type != "" {
		return readLines(dec, first)
	}
	var m struct {
		headMessage
		Findings []findingMessage `json:"findings"`
	}
	if kind.Schema != Schema {
		return nil, fmt.Errorf("read report: %w: schema is %.40q", ErrSchema, kind.Schema)
	}
	if err := json.Unmarshal(first, &m); err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("read report: more follows after the report")
	}
	r := m.report()
	for i := range m.Findings {
		if err := r.add(&m.Findings[i]); err != nil {
			return nil, fmt.Errorf("read report: finding %d: %w", i+1, err)
		}
	}
	return r, nil
}

// readLines reads the rest of a jsonl report, whose first line is given.
func readLines(dec *json.Decoder, line json.RawMessage) (*Report, error) {
	found := &Report{}
	for n := 1; ; n++ {
		var kind struct{ Type string }
		if err := json.Unmarshal(line, &kind); err != nil {
			return nil, fmt.Errorf("read report: line %d: %w", n, err)
		}
		switch kind.Type {
		case "finding":
			var m findingMessage
			if err := json.Unmarshal(line, &m); err != nil {
				return nil, fmt.Errorf("read report: line %d: %w", n, err)
			}
			if err := found.add(&m); err != nil {
				return nil, fmt.Errorf("read report: line %d: %w", n, err)
			}
		case "summary":
			var m headMessage
			if err := json.Unmarshal(line, &m); err != nil {
				return nil, fmt.Errorf("read report: line %d: %w", n, err)
			}
			if m.Schema != Schema {
				return nil, fmt.Errorf("read report: line %d: %w: schema is %.40q", n, ErrSchema, m.Schema)
			}
			if _, err := dec.Token(); !errors.Is(err, io.EOF) {
				return nil, fmt.Errorf("read report: line %d: more follows after the summary", n)
			}
			r := m.report()
			r.Findings, r.texts = found.Findings, found.texts
			return r, nil
		default:
			return nil, fmt.Errorf("read report: line %d: %w: type is %.40q", n, ErrSchema, kind.Type)
		}
		line = nil
		if err := dec.Decode(&line); errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read report: cut off after line %d: no summary: %w", n, io.ErrUnexpectedEOF)
		} else if err != nil {
			return nil, fmt.Errorf("read report: line %d: %w", n+1, err)
		}
	}
}

func (m *headMessage) report() *Report {
	c := &m.Coverage
	r := &Report{
		Schema: Schema, Tool: Tool(m.Tool), Target: Target(m.Target),
		Started: value(m.Started), Finished: value(m.Finished),
		Notices: m.Notices, Interrupted: m.Interrupted,
		Coverage: Coverage{
			Objects: c.Objects, Blobs: c.Blobs, Commits: c.Commits, Files: c.Files,
			BytesLogical: c.BytesLogical, BytesScanned: c.BytesScanned,
			Complete: c.Complete, RulesCount: c.Rules,
			Duration: seconds(c.Seconds),
		},
	}
	for _, s := range c.Skipped {
		r.Coverage.Skipped = append(r.Coverage.Skipped, Skip(s))
	}
	return r
}

// add appends the finding that m describes.
func (r *Report) add(m *findingMessage) error {
	if m.Fingerprint == "" || m.Rule == "" {
		return errors.New("no fingerprint or no rule")
	}
	ver := &m.Verification
	f := finding.Finding{
		Fingerprint: m.Fingerprint, Rule: m.Rule, Service: m.Service, Title: m.Title,
		Severity: m.Severity, Confidence: m.Confidence, Public: m.PublicBytes, Checksum: m.Checksum,
		Environment: m.Environment,
		Verification: finding.Verification{
			Status: ver.Status, Reason: ver.Reason, CheckedAt: value(ver.CheckedAt), Owner: ver.Owner,
			KeyID: ver.KeyID, Scopes: ver.Scopes, ExpiresAt: value(ver.ExpiresAt), Extra: ver.Extra,
		},
		Suppressed: (*finding.Suppression)(m.Suppressed),
		Dropped:    max(0, m.Dropped), Docs: m.Remedy.Docs, Actions: m.Remedy.Actions,
	}
	redacted := m.Redacted == nil || *m.Redacted
	if redacted {
		r.keepText(string(m.Fingerprint), m.Secret)
	} else {
		key, err := exact(m.Secret, m.SecretBytes)
		if err != nil {
			return fmt.Errorf("secret_base64: %w", err)
		}
		f.Secret = finding.NewSecret(key)
	}
	for name, text := range m.Parts {
		p := finding.Part{Name: name, Public: slices.Contains(m.PublicParts, name)}
		if redacted && !p.Public {
			r.keepText(partKey(m.Fingerprint, name), text)
		} else {
			p.Value = finding.NewSecret([]byte(text))
		}
		f.Parts = append(f.Parts, p)
	}
	slices.SortFunc(f.Parts, func(a, b finding.Part) int { return strings.Compare(a.Name, b.Name) })
	for i := range m.Occurrences {
		o, err := m.Occurrences[i].occurrence()
		if err != nil {
			return fmt.Errorf("occurrence %d: path_base64: %w", i+1, err)
		}
		f.Occurrences = append(f.Occurrences, o)
	}
	r.Findings = append(r.Findings, f)
	return nil
}

func (r *Report) keepText(key, text string) {
	if r.texts == nil {
		r.texts = map[string]string{}
	}
	r.texts[key] = text
}

func (m *occurrenceMessage) occurrence() (finding.Occurrence, error) {
	path, err := exact(m.Path, m.PathBytes)
	return finding.Occurrence{
		Kind: m.Kind, Path: string(path), StartLine: m.StartLine, StartColumn: m.StartColumn,
		EndLine: m.EndLine, EndColumn: m.EndColumn, StartUTF16: m.StartUTF16, EndUTF16: m.EndUTF16,
		Decoded: m.Decoded, Versions: m.Versions, URL: m.URL,
		Git: finding.Provenance{
			Blob: m.Blob, Commit: m.Commit, Author: m.Author, Email: m.Email, Date: value(m.Date),
			Subject: m.Subject, Refs: m.Refs, InHead: m.InHead, Reachable: m.Reachable,
		},
	}, err
}

// exact undoes utf8OrBase64.
func exact(text, bytes string) ([]byte, error) {
	if bytes == "" {
		return []byte(text), nil
	}
	return base64.StdEncoding.DecodeString(bytes)
}

func value(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// seconds returns s as a duration; what no run can have lasted is 0.
func seconds(s float64) time.Duration {
	if s < 0 || s > 1e9 {
		return 0
	}
	return time.Duration(math.Round(s * float64(time.Second)))
}
