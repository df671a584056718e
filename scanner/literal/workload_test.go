package literal

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
)

// workload builds n patterns shaped like those of the rules: three in five are
// prefixes of keys, the others folded names of services and the prefixes again
// in base64, hex and UTF-16. The names are invented.
func workload(n int) []Pattern {
	r := rand.New(rand.NewPCG(7, uint64(n)))
	seen := map[string]bool{}
	var patterns []Pattern
	add := func(s string, fold bool) {
		if len(s) >= 4 && !seen[s] && len(patterns) < n {
			seen[s] = true
			patterns = append(patterns, Pattern{Bytes: []byte(s), Fold: fold})
		}
	}
	for i := 0; len(patterns) < n; i++ {
		name := serviceName(r)
		prefix := keyPrefix(r, name)
		add(prefix, false)
		switch i % 10 {
		case 0, 1:
			if i < 2000 { // some 200 folded words in all
				add(name, true)
			}
		case 2, 3, 4:
			skip := r.IntN(3)
			text := base64.RawStdEncoding.EncodeToString([]byte("xyz"[:skip] + prefix))
			from, to := []int{0, 2, 3}[skip], (skip+len(prefix))*8/6
			add(text[from:to], false)
		case 5:
			add(hex.EncodeToString([]byte(prefix)), true)
		case 6:
			add(strings.Join(strings.Split(prefix, ""), "\x00"), false)
		case 7:
			add(keyPrefix(r, name), false)
		}
	}
	return patterns
}

func serviceName(r *rand.Rand) string {
	heads := []string{"acme", "fast", "nex", "cloud", "data", "hash", "git", "post", "send", "mail", "twi", "stri", "pay", "sql", "lambda", "vector", "quick", "zen", "sales", "form", "code", "pulse", "river", "sky", "open", "deep", "mist", "graph", "snow", "bit"}
	tails := []string{"ly", "osis", "nexus", "dog", "corp", "lab", "hub", "grid", "lio", "pe", "pal", "wave", "base", "desk", "force", "box", "flow", "stack", "ai", "seek", "ral", "ana", "flake", "bucket", "mark", "loop", "kit", "queue", "zip", "vault"}
	if r.IntN(3) == 0 {
		syllables := []string{"ka", "lo", "mi", "ver", "zu", "per", "dra", "qui", "sto", "ne", "tro", "ba", "xi", "len", "go"}
		s := ""
		for range 2 + r.IntN(2) {
			s += syllables[r.IntN(len(syllables))]
		}
		return s
	}
	return heads[r.IntN(len(heads))] + tails[r.IntN(len(tails))]
}

func keyPrefix(r *rand.Rand, name string) string {
	short := name[:2+r.IntN(2)]
	sep := []string{"_", "_", "-"}[r.IntN(3)]
	kind := []string{"live", "test", "prod", "pat", "api", "key", "tok", "sk", "secret", "oat01", "admin", "v1", "bot"}[r.IntN(13)]
	letters := func(alphabet string, n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = alphabet[r.IntN(len(alphabet))]
		}
		return string(b)
	}
	switch r.IntN(10) {
	case 0, 1:
		return short + string("pousrtk"[r.IntN(7)]) + "_" // ghp_
	case 2, 3:
		return name + sep + kind + sep
	case 4:
		return kind + sep + name + sep
	case 5:
		return short + sep + kind + sep // cnx_prod_
	case 6:
		return "sk-" + name[:min(len(name), 5)] + "-"
	case 7:
		return letters("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 4) // AKIA
	case 8:
		return letters("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 5+r.IntN(4)) // ya29aX
	default:
		return fmt.Sprintf("%s%s=", name, kind)
	}
}
