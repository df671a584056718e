// Package finding holds the words that every part of rekey shares: Secret,
// Fingerprint, Occurrence, Finding, Status. It is a leaf: standard library only.
package finding

import "fmt"

// Severity says how much harm a key does in the wrong hands, before anyone knows
// whether it is live. The zero value is Low.
type Severity int

// Severities, least first.
const (
	Low Severity = iota
	Medium
	High
	Critical
)

var severityNames = [...]string{"low", "medium", "high", "critical"}

// ParseSeverity reads a severity's name.
func ParseSeverity(s string) (Severity, error) {
	for i, n := range severityNames {
		if n == s {
			return Severity(i), nil
		}
	}
	return Low, fmt.Errorf("unknown severity %q: want low, medium, high or critical", s)
}

func (s Severity) String() string { return name(severityNames[:], int(s)) }

// MarshalText writes the severity's name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the severity's name.
func (s *Severity) UnmarshalText(b []byte) (err error) {
	*s, err = ParseSeverity(string(b))
	return err
}

// Confidence says how sure the detector is that the bytes are a key of the rule's
// kind. Certain means that a checksum proved the form.
type Confidence int

// Confidences, least first. The names in reports are low, medium, high, certain.
const (
	ConfidenceLow Confidence = iota
	ConfidenceMedium
	ConfidenceHigh
	ConfidenceCertain
)

var confidenceNames = [...]string{"low", "medium", "high", "certain"}

// ParseConfidence reads a confidence's name.
func ParseConfidence(s string) (Confidence, error) {
	for i, n := range confidenceNames {
		if n == s {
			return Confidence(i), nil
		}
	}
	return ConfidenceLow, fmt.Errorf("unknown confidence %q: want low, medium, high or certain", s)
}

func (c Confidence) String() string { return name(confidenceNames[:], int(c)) }

// MarshalText writes the confidence's name.
func (c Confidence) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads the confidence's name.
func (c *Confidence) UnmarshalText(b []byte) (err error) {
	*c, err = ParseConfidence(string(b))
	return err
}

// Status is what verification knows of a key (design.md section 10). The zero value
// is Unchecked.
type Status int

// Statuses. Unknown means that the service gave no proof either way.
const (
	Unchecked Status = iota
	Active
	Restricted
	Grace
	Inactive
	Unknown
	Example
	Canary
)

var statusNames = [...]string{"unchecked", "active", "restricted", "grace", "inactive", "unknown", "example", "canary"}

// ParseStatus reads a status's name.
func ParseStatus(s string) (Status, error) {
	for i, n := range statusNames {
		if n == s {
			return Status(i), nil
		}
	}
	return Unchecked, fmt.Errorf("unknown verification status %q", s)
}

func (s Status) String() string { return name(statusNames[:], int(s)) }

// Live reports whether a key in this status works: active, restricted or in grace.
func (s Status) Live() bool { return s == Active || s == Restricted || s == Grace }

// MarshalText writes the status's name.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the status's name.
func (s *Status) UnmarshalText(b []byte) (err error) { *s, err = ParseStatus(string(b)); return err }

func name(names []string, i int) string {
	if i < 0 || i >= len(names) {
		return fmt.Sprintf("invalid(%d)", i)
	}
	return names[i]
}
