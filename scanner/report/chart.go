package report

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/rekeyhq/rekey/scanner/finding"
)

// chart is a small bar chart: the template draws it as SVG. Classes name colours of
// the page's style.
type chart struct {
	Title  string
	Text   string // the same in words, for those who do not see it
	Height int
	Bars   []chartBar
	Labels []chartLabel
}

type chartBar struct {
	X, Y, W, H float64
	Class      string
	Title      string
}

type chartLabel struct {
	X, Y   float64
	Anchor string
	Text   string
}

// chartWidth is the width of the drawing in its own units.
const chartWidth = 360.0

// state is how charts group statuses.
type state int

const (
	stateLive state = iota
	stateOpen
	stateDead
	stateQuiet
	states
)

func stateOf(s finding.Status) state {
	switch {
	case s.Live():
		return stateLive
	case s == finding.Unchecked, s == finding.Unknown:
		return stateOpen
	case s == finding.Inactive:
		return stateDead
	}
	return stateQuiet
}

func (s state) String() string {
	return [states]string{"live", "open", "dead", "quiet"}[s]
}

func (s state) words() string {
	return [states]string{"live", "state not known", "no longer work", "examples and canaries"}[s]
}

// series is one bar: counts by state.
type series struct {
	label string
	n     [states]int
}

func (s series) total() (n int) {
	for _, k := range s.n {
		n += k
	}
	return n
}

// charts draws what counts: suppressed findings are in none.
func (v *view) charts() []chart {
	if v.counts.Findings == 0 {
		return nil
	}
	severities := make([]series, finding.Critical+1)
	services := map[string]*series{}
	var firsts []dated
	for i := range v.n {
		f := &v.src.Findings[i]
		if f.Suppressed != nil || f.Severity < finding.Low || f.Severity > finding.Critical {
			continue
		}
		st := stateOf(f.Verification.Status)
		bar := &severities[finding.Critical-f.Severity]
		bar.label = f.Severity.String()
		bar.n[st]++
		if services[f.Service] == nil {
			services[f.Service] = &series{label: cut(clean(cmp.Or(f.Service, "no service")), 24)}
		}
		services[f.Service].n[st]++
		if o := firstSeen(f); o != nil && !sane(o.Git.Date).IsZero() {
			firsts = append(firsts, dated{o.Git.Date.UTC(), st})
		}
	}
	for i := range severities {
		severities[i].label = (finding.Critical - finding.Severity(i)).String()
	}
	out := []chart{rows("By severity", severities)}
	if c, ok := timeline(firsts); ok {
		out = append(out, c)
	}
	return append(out, rows("By key service", top(services, 6)))
}

// top returns the n largest series; the rest is one more.
func top(all map[string]*series, n int) []series {
	var list []series
	for _, s := range all {
		list = append(list, *s)
	}
	slices.SortFunc(list, func(a, b series) int {
		return cmp.Or(b.total()-a.total(), cmp.Compare(a.label, b.label))
	})
	if len(list) <= n {
		return list
	}
	rest := series{label: fmt.Sprintf("%d others", len(list)-n+1)}
	for _, s := range list[n-1:] {
		for i := range rest.n {
			rest.n[i] += s.n[i]
		}
	}
	return append(list[:n-1], rest)
}

// rows draws horizontal bars.
func rows(title string, list []series) chart {
	const height, left, right = 24.0, 110.0, 50.0
	c := chart{Title: title, Height: int(height)*len(list) + 6}
	most := 1
	for _, s := range list {
		most = max(most, s.total())
	}
	for i, s := range list {
		y := float64(i) * height
		c.Labels = append(c.Labels, chartLabel{left - 8, y + 16, "end", s.label})
		x := left
		for st := range states {
			if s.n[st] == 0 {
				continue
			}
			w := (chartWidth - left - right) * float64(s.n[st]) / float64(most)
			c.Bars = append(c.Bars, chartBar{x, y + 4, max(w, 1), height - 8, st.String(),
				fmt.Sprintf("%s: %s %s", s.label, thousands(int64(s.n[st])), st.words())})
			x += max(w, 1)
		}
		c.Labels = append(c.Labels, chartLabel{x + 6, y + 16, "start", thousands(int64(s.total()))})
		c.Text += fmt.Sprintf("%s %d. ", s.label, s.total())
	}
	return c
}

type dated struct {
	at time.Time
	st state
}

// timeline draws how many keys came in per month, quarter or year, whichever makes at
// most 36 columns. Dates of commits are claims: a single absurd one makes years.
func timeline(list []dated) (chart, bool) {
	if len(list) == 0 {
		return chart{}, false
	}
	first, last := list[0].at, list[0].at
	for _, d := range list {
		if d.at.Before(first) {
			first = d.at
		}
		if d.at.After(last) {
			last = d.at
		}
	}
	const columns = 36
	months := func(t time.Time) int { return t.Year()*12 + int(t.Month()) - 1 }
	span := months(last) - months(first) + 1
	unit := 1
	for _, u := range []int{1, 3, 12, 60, 120, 1200, 12000} {
		unit = u
		if (months(last)/u - months(first)/u + 1) <= columns {
			break
		}
	}
	n := months(last)/unit - months(first)/unit + 1
	bars := make([]series, min(n, columns))
	for _, d := range list {
		at := min(months(d.at)/unit-months(first)/unit, len(bars)-1)
		bars[at].n[d.st]++
	}
	for i := range bars {
		m := (months(first)/unit + i) * unit
		bars[i].label = fmt.Sprintf("%04d-%02d", m/12, m%12+1)
		if unit >= 12 {
			bars[i].label = fmt.Sprintf("%04d", m/12)
		}
	}
	name := map[int]string{1: "by month", 3: "by quarter", 12: "by year"}[unit]
	return columnsOf("First seen, "+cmp.Or(name, fmt.Sprintf("by %d years", unit/12)), bars, span > 1), true
}

func columnsOf(title string, list []series, both bool) chart {
	const height, base = 150, 120.0
	c := chart{Title: title, Height: height}
	most := 1
	for _, s := range list {
		most = max(most, s.total())
	}
	step := chartWidth / float64(max(len(list), 6))
	for i, s := range list {
		y := base
		for st := range states {
			if s.n[st] == 0 {
				continue
			}
			h := max(1, (base-16)*float64(s.n[st])/float64(most))
			y -= h
			c.Bars = append(c.Bars, chartBar{float64(i)*step + 1, y, max(step-2, 1), h, st.String(),
				fmt.Sprintf("%s: %s %s", s.label, thousands(int64(s.n[st])), st.words())})
		}
		if s.total() > 0 {
			c.Text += fmt.Sprintf("%s %d. ", s.label, s.total())
		}
	}
	c.Labels = append(c.Labels, chartLabel{0, base + 18, "start", list[0].label},
		chartLabel{chartWidth, 12, "end", "most: " + thousands(int64(most))})
	if both && len(list) > 1 {
		c.Labels = append(c.Labels, chartLabel{max(float64(len(list))*step, 100), base + 18, "end", list[len(list)-1].label})
	}
	return c
}

// services lists the key services of the report for the page's filter.
func (v *view) services() []string {
	seen := map[string]bool{}
	var list []string
	for i := range v.n {
		if s := cut(clean(v.src.Findings[i].Service), 200); s != "" && !seen[s] {
			seen[s] = true
			list = append(list, s)
		}
	}
	slices.Sort(list)
	return list
}
