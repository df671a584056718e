package emulator

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// Fault makes matching requests go wrong. The zero Match takes every request; Times 0
// is once.
type Fault struct {
	Match Match  `json:"match"`
	Times int    `json:"times"`
	Do    Effect `json:"do"`
}

// Match chooses requests: Method "" is any, Path is a glob over the whole path ("" is
// any; a "*" does not cross "/"; see AddFault).
type Match struct {
	Method string `json:"method"`
	Path   string `json:"path"`
}

// Effect is what goes wrong. Several may come together.
type Effect struct {
	// Status answers so without asking the service, with Body and RetryAfter.
	Status int    `json:"status"`
	Body   string `json:"body"`
	// RetryAfter is seconds ("5") or a Go duration with a sign that the header is to be
	// a date ("date:5s").
	RetryAfter string   `json:"retry_after"`
	Latency    Duration `json:"latency"` // real time
	// ResetBefore breaks the connection before the service acts, CommitThenReset after;
	// CommitLate breaks it at once and lets the service act when the clock has moved on.
	ResetBefore     bool     `json:"reset_before"`
	CommitThenReset bool     `json:"commit_then_reset"`
	CommitLate      Duration `json:"commit_late"`
	RedirectTo      string   `json:"redirect_to"`
	HTML            bool     `json:"html"`       // the answer is a web page
	Truncate        bool     `json:"truncate"`   // the answer breaks off in the middle
	WrongJSON       bool     `json:"wrong_json"` // the answer is JSON of another form
	Repeat          bool     `json:"repeat"`     // the service gets the request twice
}

// name tells the log what went wrong.
func (e Effect) name() string {
	switch {
	case e.ResetBefore:
		return "reset_before"
	case e.CommitThenReset:
		return "commit_then_reset"
	case e.CommitLate > 0:
		return "commit_late"
	case e.Status != 0:
		return "status " + strconv.Itoa(e.Status)
	case e.RedirectTo != "":
		return "redirect_to"
	case e.HTML:
		return "html"
	case e.Truncate:
		return "truncate"
	case e.WrongJSON:
		return "wrong_json"
	case e.Repeat:
		return "repeat"
	case e.Latency > 0:
		return "latency"
	}
	return ""
}

func (e Effect) check() error {
	if e.name() == "" {
		return fmt.Errorf("a fault that does nothing")
	}
	if e.Status != 0 && (e.Status < 200 || e.Status > 599) {
		return fmt.Errorf("status %d: want 200 to 599", e.Status)
	}
	return nil
}

// refusal is the answer of an effect that keeps the service out of it.
func (e Effect) refusal() (answer, bool) {
	a := answer{status: e.Status, header: http.Header{}, text: e.Body}
	if e.RetryAfter != "" {
		a.header.Set("Retry-After", retryAfter(e.RetryAfter))
	}
	switch {
	case e.RedirectTo != "":
		a.status = max(a.status, http.StatusFound)
		a.header.Set("Location", e.RedirectTo)
		return a, true
	case e.HTML:
		a.status = max(a.status, http.StatusOK)
		a.text = page
		a.header.Set("Content-Type", "text/html; charset=utf-8")
		return a, true
	case e.WrongJSON:
		a.status = max(a.status, http.StatusOK)
		a.text = `{"hello":["world",1,null]}`
		return a, true
	}
	return a, e.Status != 0
}

const page = "<!doctype html><html><head><title>Sign in</title></head><body>Please sign in to the network.</body></html>\n"

// retryAfter writes seconds as they are and "date:5s" as the date in five seconds of
// real time: clients live in it.
func retryAfter(text string) string {
	if span, ok := strings.CutPrefix(text, "date:"); ok {
		if d, err := time.ParseDuration(span); err == nil {
			return time.Now().Add(d).UTC().Format(http.TimeFormat)
		}
	}
	return text
}

// faults are those that were set and those drawn from a seed.
type faults struct {
	set  []Fault
	draw *rand.Rand
}

func newFaults(seed uint64) *faults {
	f := &faults{}
	if seed != 0 {
		f.draw = rand.New(rand.NewPCG(seed, 1)) // repeatable on purpose
	}
	return f
}

// next returns the effect for one request and uses it up.
func (f *faults) next(method, p string) Effect {
	for i := range f.set {
		m := f.set[i].Match
		if m.Method != "" && m.Method != method {
			continue
		}
		if ok, _ := path.Match(m.Path, p); m.Path != "" && !ok {
			continue
		}
		e := f.set[i].Do
		if f.set[i].Times--; f.set[i].Times <= 0 {
			f.set = append(f.set[:i], f.set[i+1:]...)
		}
		return e
	}
	if f.draw == nil || f.draw.IntN(4) != 0 {
		return Effect{}
	}
	late := Duration(time.Duration(20+f.draw.IntN(200)) * time.Millisecond)
	return []Effect{
		{Latency: late},
		{Status: http.StatusServiceUnavailable},
		{Status: http.StatusTooManyRequests, RetryAfter: "1"},
		{Status: http.StatusTooManyRequests, RetryAfter: "date:2s"},
		{Status: http.StatusBadGateway, HTML: true},
		{ResetBefore: true},
		{CommitThenReset: true},
		{Truncate: true},
		{Repeat: true, Latency: late},
	}[f.draw.IntN(9)]
}
