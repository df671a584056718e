package detect

import (
	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/scanner/finding"
)

// Match is one secret found in one piece of data: a candidate that passed every
// check of its rule. It is immutable and may be shared between goroutines.
type Match struct {
	Rule *rules.Rule
	// Start and End delimit, in the data that was scanned, the bytes that hold the
	// secret: the secret itself or, where it is decoded, the run that encodes it.
	Start, End int
	Secret     finding.Secret
	// Key identifies the secret within this process: equal for equal service, kind
	// and secret. It is the "key:v1:" fingerprint even where the rule is of low
	// entropy, so it must not be shown or stored: see Rule.LowEntropy.
	Key        finding.Fingerprint
	Public     int // leading bytes of Secret that are not secret
	Checksum   finding.Checksum
	Confidence finding.Confidence
	Parts      []finding.Part
	// Environment is the pattern's group of that name, if any.
	Environment string
	// Decoded names the layers undone to see the secret, outermost first.
	Decoded []string
	// Example says that the key is published in the service's documentation.
	Example bool
	// Allowed is set when a comment on the line allows the secret.
	Allowed *finding.Suppression
}

// At returns a copy of m with its position moved by shift bytes.
func (m Match) At(shift int) Match {
	m.Start += shift
	m.End += shift
	return m
}
