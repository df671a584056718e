package detect_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/rules"
	"github.com/rekeyhq/rekey/rules/builtin"
	"github.com/rekeyhq/rekey/scanner/detect"
)

// BenchmarkNew is what every start of the program pays.
func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		if _, err := detect.New(builtin.Services(), detect.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

// synthetic returns the built-in services filled up with made-up rules to n rules.
func synthetic(n int) []rules.Service {
	services := append([]rules.Service(nil), builtin.Services()...)
	have := 0
	for _, s := range services {
		have += len(s.Rules)
	}
	filler := rules.Service{ID: "filler", Name: "Filler"}
	for i := have; i < n; i++ {
		lit := fmt.Sprintf("%c%c%03x_", 'f'+i%19, 'a'+i*7%26, i*2654435761%4096)
		filler.Rules = append(filler.Rules, rules.Rule{
			ID: fmt.Sprintf("filler-%d", i), Title: "Filler", Kind: "api-key", Service: "filler",
			Pattern: lit + "[0-9A-Za-z]{32}", Shape: rules.Shape{Literals: []rules.Literal{{Text: lit}}, Max: len(lit) + 32},
		})
	}
	return append(services, filler)
}

// BenchmarkRules scans the same text with 250, 1,000, 2,000 and 4,000 rules: the cost
// must grow with bytes, not with rules.
func BenchmarkRules(b *testing.B) {
	text := corpus(b)
	for _, n := range []int{250, 1000, 2000, 4000} {
		d, err := detect.New(synthetic(n), detect.Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := d.NewScratch()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				d.Detect(s, text)
			}
		})
	}
}

// corpus is source text: our own, which is full of words that rules look for.
func corpus(b *testing.B) []byte {
	var text []byte
	files, _ := filepath.Glob(filepath.Join("..", "..", "*", "*", "*.go"))
	for _, f := range files {
		if strings.HasPrefix(filepath.Base(f), "zz_") {
			continue // a table of nothing but what rules look for
		}
		data, err := os.ReadFile(f)
		if err != nil {
			b.Fatal(err)
		}
		text = append(text, data...)
	}
	for len(text) < 8<<20 {
		text = append(text, text...)
	}
	return text
}
