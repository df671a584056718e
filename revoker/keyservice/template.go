package keyservice

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// fill replaces {{name}} in a template by values, once: what looks like a template in
// a value stays as it is. missing names the first value that is not there or empty; the
// result is then not to be used.
func fill(template string, values map[string]string) (out, missing string) {
	if !strings.Contains(template, "{{") {
		return template, ""
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(template, "{{")
		b.WriteString(before)
		if !found {
			return b.String(), missing
		}
		name, after, closed := strings.Cut(rest, "}}")
		if !closed {
			b.WriteString("{{" + rest)
			return b.String(), missing
		}
		v := values[strings.TrimSpace(name)]
		if v == "" && missing == "" {
			missing = strings.TrimSpace(name)
		}
		b.WriteString(v)
		template = after
	}
}

// fillWith is fill with every value passed through escape first.
func fillWith(template string, values map[string]string, escape func(string) string) (string, string) {
	if !strings.Contains(template, "{{") {
		return template, ""
	}
	escaped := make(map[string]string, len(values))
	for k, v := range values {
		escaped[k] = escape(v)
	}
	return fill(template, escaped)
}

// fillJSON fills the strings of a JSON body.
func fillJSON(v any, values map[string]string) (any, string) {
	missing := ""
	var walk func(v any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case string:
			s, m := fill(v, values)
			if missing == "" {
				missing = m
			}
			return s
		case []any:
			out := make([]any, len(v))
			for i := range v {
				out[i] = walk(v[i])
			}
			return out
		case []map[string]any:
			out := make([]any, len(v))
			for i := range v {
				out[i] = walk(v[i])
			}
			return out
		case map[string]any:
			out := make(map[string]any, len(v))
			for k := range v {
				out[k] = walk(v[k])
			}
			return out
		}
		return v
	}
	out := walk(v)
	return out, missing
}

// decodeJSON decodes a body with whole numbers as int, so that ids keep all digits.
// What is no JSON decodes to nil.
func decodeJSON(body []byte) any {
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil // something follows: this is no JSON document
	}
	return numbers(v)
}

func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return int(n)
		}
		f, err := v.Float64()
		if err != nil || !strings.ContainsAny(v.String(), ".eE") {
			return v.String() // an id of twenty digits is no number
		}
		return f
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	}
	return v
}

// text writes a saved value: lists joined by spaces, nothing for nil.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case []any:
		parts := make([]string, 0, len(v))
		for _, e := range v {
			parts = append(parts, text(e))
		}
		return strings.Join(parts, " ")
	case []string:
		return strings.Join(v, " ")
	case float64:
		return strings.TrimSuffix(fmt.Sprintf("%f", v), ".000000")
	}
	return fmt.Sprint(v)
}
