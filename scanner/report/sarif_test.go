package report_test

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/scanner/report"
)

// What GitHub code scanning asks of a file (docs.github.com, "SARIF support for code
// scanning", read 2026-11-21).
func TestSARIFForGitHub(t *testing.T) {
	var log struct {
		Version string
		Runs    []struct {
			ColumnKind string
			Tool       struct {
				Driver struct {
					Name  string
					Rules []struct {
						ID               string
						ShortDescription struct{ Text string }
						FullDescription  struct{ Text string }
						Help             struct{ Text, Markdown string }
						Properties       map[string]any
					}
				}
			}
			Results []struct {
				RuleID    string
				RuleIndex int
				Level     string
				Message   struct{ Text string }
				Locations []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           *struct{ StartLine, StartColumn, EndLine, EndColumn int }
					}
				}
				PartialFingerprints map[string]string
				Suppressions        []struct{ Kind, Status, Justification string }
			}
		}
	}
	if err := json.Unmarshal([]byte(write(t, "sarif", sample(), report.Options{})), &log); err != nil {
		t.Fatal(err)
	}
	if log.Version != "2.1.0" || len(log.Runs) != 1 || log.Runs[0].ColumnKind != "utf16CodeUnits" {
		t.Fatalf("version %s, %d runs", log.Version, len(log.Runs))
	}
	run := log.Runs[0]
	for _, r := range run.Tool.Driver.Rules {
		severity, ok := r.Properties["security-severity"].(string)
		if n, err := strconv.ParseFloat(severity, 64); !ok || err != nil || n <= 0 || n > 10 {
			t.Errorf("rule %s: security-severity is %v", r.ID, r.Properties["security-severity"])
		}
		if r.ShortDescription.Text == "" || r.FullDescription.Text == "" || r.Help.Text == "" || r.Help.Markdown == "" {
			t.Errorf("rule %s lacks a description or help", r.ID)
		}
		if n := len(r.FullDescription.Text); n > 1024 {
			t.Errorf("rule %s: fullDescription has %d characters, GitHub takes 1,024", r.ID, n)
		}
		if tags, ok := r.Properties["tags"].([]any); !ok || len(tags) == 0 || len(tags) > 10 {
			t.Errorf("rule %s: tags %v", r.ID, tags)
		}
	}
	seen := map[string]bool{}
	suppressed := 0
	for i, r := range run.Results {
		if r.RuleIndex < 0 || r.RuleIndex >= len(run.Tool.Driver.Rules) || run.Tool.Driver.Rules[r.RuleIndex].ID != r.RuleID {
			t.Errorf("result %d: ruleIndex %d is not %s", i, r.RuleIndex, r.RuleID)
		}
		if len(r.Locations) != 1 || r.Message.Text == "" {
			t.Fatalf("result %d: %d locations, message %q", i, len(r.Locations), r.Message.Text)
		}
		at := r.Locations[0].PhysicalLocation
		u, err := url.Parse(at.ArtifactLocation.URI)
		if err != nil || u.IsAbs() || u.Host != "" || strings.HasPrefix(u.Path, "/") || u.Path == "" {
			t.Errorf("result %d: %q is not relative to the repository", i, at.ArtifactLocation.URI)
		}
		if at.Region != nil && (at.Region.StartLine < 1 || at.Region.EndLine == at.Region.StartLine && at.Region.EndColumn < at.Region.StartColumn) {
			t.Errorf("result %d: region %+v", i, *at.Region)
		}
		if at.Region != nil && strings.Contains(r.Message.Text, "only in the history") {
			t.Errorf("result %d: a finding of history has a region", i)
		}
		id := r.RuleID + at.ArtifactLocation.URI + r.PartialFingerprints["primaryLocationLineHash"]
		if seen[id] || r.PartialFingerprints["primaryLocationLineHash"] == "" || r.PartialFingerprints["rekey/key/v1"] == "" {
			t.Errorf("result %d: fingerprints %v are missing or not its own", i, r.PartialFingerprints)
		}
		seen[id] = true
		suppressed += len(r.Suppressions)
	}
	if suppressed == 0 {
		t.Error("no result is suppressed, though the sample has such findings")
	}
}
