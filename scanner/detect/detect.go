package detect

// Scratch is what one goroutine needs to detect without allocating.
type Scratch struct{}

// Detector is all rules compiled.
type Detector struct{}

// NewScratch returns a scratch.
func (d *Detector) NewScratch() *Scratch { return &Scratch{} }

// Detect returns matches.
func (d *Detector) Detect(s *Scratch, data []byte) []Match { return nil }
