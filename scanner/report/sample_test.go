package report_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/rekeyhq/rekey/scanner/finding"
	"github.com/rekeyhq/rekey/scanner/report"
)

// Keys are built from parts, so that no scanner stops at this file.
var (
	acmeKey   = "acme" + "_live_" + "9fQ2mT7xLw0aBc3DeFgH5iJkNoPqRs"
	otherKey  = "acme" + "_live_" + "Zz8Yy7Xx6Ww5Vv4Uu3Tt2Ss1Rr0Qq9"
	cloudKey  = "cnx" + "_prod_" + "K3jH8fD2sA9qW4eR7tY1uI6oP5zX0c"
	binaryKey = "\x00\xff\x1b[31m" + strings.Repeat("b1nary\x80", 5)
	password  = "hunter" + "2-and-more=?&/" // short: nothing of it may be shown
	wordKey   = "post" + "gres"
	partKey   = "part" + "/Secret+Of=AWS/7f8g9h0j1k2l3m4n5b6v7c8x9z"
)

func secret(s string) finding.Secret { return finding.NewSecret([]byte(s)) }

// hostile is a string with all that breaks reports.
const hostile = `</script><script>alert(1)</script><img src=x onerror=alert(1)>` +
	"\x1b[2J\x1b]0;owned\x07" + `=cmd|'/C calc'!A0` + "\n::set-output name=x::y\r\n| a | b |\n```" +
	"\u202egnp.exe\u202c \u200bzero\u2028line\ufeff \xff\xfe ]]> --> {{7*7}} @everyone #1 https://evil.example"

func at(day int) time.Time { return time.Date(2026, 3, day, 10, 30, 0, 0, time.FixedZone("x", 2*3600)) }

func commit(n int) string { return fmt.Sprintf("%02x%038x", n, n*7919) }

// sample is a report with every status, every kind of occurrence, every kind of
// suppression and hostile strings wherever a repository or a service can put them.
func sample() *report.Report {
	r := &report.Report{
		Schema:   report.Schema,
		Tool:     report.Tool{Name: "rekey", Version: "1.2.3", RulesDigest: "sha256:abcd"},
		Target:   report.Target{Kind: "git", Location: "https://bob:" + otherKey + "@git.example/" + hostile, Head: commit(9)},
		Started:  at(20),
		Finished: at(20).Add(1500 * time.Millisecond),
		Coverage: report.Coverage{
			Objects: 12345, Blobs: 9876, Commits: 1234, Files: 456, BytesLogical: 123456789, BytesScanned: 9876543,
			Skipped: []report.Skip{
				{What: "pack-1234.pack", Reason: "object at 99: " + hostile, Count: 1, Class: report.SkipUnreadable},
				{What: "files over 100 MB", Reason: "size", Count: 1200, Class: report.SkipPolicy},
				{What: "secret/" + cloudKey, Reason: "symbolic link with " + otherKey, Count: 2, Class: report.SkipAbsent},
			},
			RulesCount: 250, Duration: 1500 * time.Millisecond,
		},
		Notices: []string{"suppressions of the repository apply: 2 findings", hostile + otherKey},
	}
	r.Findings = append(statusFindings(), oddFindings()...)
	report.Sort(r)
	return r
}

func statusFindings() []finding.Finding {
	var out []finding.Finding
	for s := finding.Unchecked; s <= finding.Canary; s++ {
		key := fmt.Sprintf("%s%c", acmeKey, 'A'+rune(s))
		f := finding.Finding{
			Fingerprint: finding.KeyFingerprint("acme", "api-key", []byte(key)),
			Rule:        "acme-live-key", Service: "acme", Title: "Acme Cloud live API key",
			Severity: finding.Severity(int(s) % 4), Confidence: finding.Confidence(int(s) % 4),
			Secret: secret(key), Public: 10, Checksum: finding.ChecksumValid,
			Verification: finding.Verification{
				Status: s, Reason: "status 200", CheckedAt: at(20), Owner: "acct_42", KeyID: "k_1",
				Scopes: []string{"read", "write"}, ExpiresAt: at(25), Extra: map[string]string{"plan": "pro", "a": "b"},
			},
			Occurrences: []finding.Occurrence{
				{
					Kind: finding.KindBlob, Path: "src/app.go", StartLine: 12 + int(s), StartColumn: 8, EndLine: 12 + int(s), EndColumn: 48,
					StartUTF16: 6, EndUTF16: 47, Versions: 2, URL: "https://git.example/app/blob/main/src/app.go?plain=1#L12",
					Git: finding.Provenance{
						Blob: commit(1), Commit: commit(2 + int(s)), Author: "Ada Lovelace", Email: "ada@example.org",
						Date: at(2 + int(s)), Subject: "Add the client", Refs: []string{"refs/heads/main", "refs/tags/v1"}, InHead: s%2 == 0, Reachable: true,
					},
				},
			},
			Docs: "https://docs.acme.example/keys", Actions: []string{"rotate", "revoke"},
		}
		if s == finding.Unchecked {
			f.Verification = finding.Verification{}
		}
		out = append(out, f)
	}
	return out
}

func oddFindings() []finding.Finding {
	git := func(n int) finding.Provenance {
		return finding.Provenance{
			Blob: commit(n + 50), Commit: commit(n), Date: at(n), Author: hostile + otherKey, Email: cloudKey + "@example.org",
			Subject: "Use " + otherKey + " and " + hostile, Refs: []string{"refs/heads/" + cloudKey},
		}
	}
	kinds := []string{
		finding.KindBlob, finding.KindCommitMessage, finding.KindTagMessage, finding.KindAuthor, finding.KindCommitter,
		finding.KindPath, finding.KindRefName, finding.KindStaged, finding.KindWorktree, finding.KindStdin,
	}
	everywhere := finding.Finding{
		Fingerprint: finding.KeyFingerprint("cloudnexus", "api-key", []byte(cloudKey)),
		Rule:        "cloudnexus-api-key", Service: "cloudnexus", Title: "CloudNexus API key " + hostile,
		Severity: finding.Critical, Confidence: finding.ConfidenceHigh, Secret: secret(cloudKey), Public: 9,
		Environment: "prod", Dropped: 7, Docs: "javascript:alert(1)",
		Verification: finding.Verification{Status: finding.Active, Owner: hostile + cloudKey, Scopes: []string{hostile}, Reason: "key " + cloudKey},
	}
	for i, k := range kinds {
		o := finding.Occurrence{
			Kind: k, StartLine: i + 1, StartColumn: 3, EndLine: i + 1, EndColumn: 20, Versions: 1,
			Path: fmt.Sprintf("dir %d/%s/%s", i, cloudKey, hostile), URL: "https://x:y@git.example/" + cloudKey,
			Decoded: []string{"base64", "percent"}, Git: git(10 + i),
		}
		if k == finding.KindWorktree || k == finding.KindStaged || k == finding.KindStdin {
			o.Git = finding.Provenance{}
		}
		everywhere.Occurrences = append(everywhere.Occurrences, o)
	}
	pair := finding.Finding{
		Fingerprint: finding.KeyFingerprint("aws", "secret-key", []byte(partKey)),
		Rule:        "aws-secret-access-key", Service: "aws", Title: "AWS secret access key", Severity: finding.High,
		Confidence: finding.ConfidenceMedium, Secret: secret(partKey), Public: 0,
		Parts: []finding.Part{
			{Name: "id", Value: secret("AK" + "IAEXAMPLEID0000"), Public: true},
			{Name: "session", Value: secret(otherKey)},
		},
		Suppressed: &finding.Suppression{By: "baseline", Reason: hostile + partKey, Where: ".rekey-baseline:3"},
		Occurrences: []finding.Occurrence{{
			Kind: finding.KindWorktree, Path: "café/\xff/=1+2.env", StartLine: 3, StartColumn: 1, EndLine: 4, EndColumn: 2, Versions: 1,
		}},
	}
	binary := finding.Finding{
		Fingerprint: finding.KeyFingerprint("x", "raw", []byte(binaryKey)),
		Rule:        "generic-binary", Service: "", Title: "Binary key", Secret: secret(binaryKey), Public: 3,
		Suppressed: &finding.Suppression{By: "comment", Where: "a.bin:1"},
	}
	pass := finding.Finding{
		Fingerprint: "key:v1p:00112233445566778899aabbccddeeff",
		Rule:        "url-password", Service: "postgres", Title: "Password in a connection URL", Severity: finding.Medium,
		Secret: secret(password), Confidence: finding.ConfidenceLow,
		Occurrences: []finding.Occurrence{{
			Kind: finding.KindBlob, Path: strings.Repeat("very/long/", 60) + "x.yml", StartLine: 1, Git: finding.Provenance{
				Blob: commit(77), Commit: commit(78), Date: at(11), Subject: strings.Repeat("long subject ", 40), Reachable: true,
			},
		}},
	}
	word := finding.Finding{
		Fingerprint: "key:v1p:ffeeddccbbaa99887766554433221100",
		Rule:        "url-password", Service: "postgres", Title: "Password in a connection URL", Severity: finding.Low,
		Secret:      secret(wordKey),
		Occurrences: []finding.Occurrence{{Kind: finding.KindWorktree, Path: "postgres/init.sql", StartLine: 1, StartColumn: 1, EndLine: 1, EndColumn: 8}},
	}
	return []finding.Finding{everywhere, pair, binary, pass, word}
}
