package keyservice

import (
	"fmt"
	"net/http"
	"path"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"

	"github.com/rekeyhq/rekey/rules"
)

// answer is what conditions look at.
type answer struct {
	status int
	header map[string]string // lower-case names
	raw    http.Header
	body   string
	json   any
	item   any
	html   bool
	host   *host // that gave it
}

func (a *answer) env() environment {
	return environment{a.status, a.header, a.body, a.json, a.item}
}

// environment is what an expression may name.
type environment struct {
	Status int               `expr:"status"`
	Header map[string]string `expr:"header"`
	Body   string            `expr:"body"`
	JSON   any               `expr:"json"`
	Item   any               `expr:"item"`
}

// condition is a compiled expression.
type condition struct {
	program *vm.Program
	err     error
}

// Bounds of an expression: nodes of its tree, and memory that it may use, in the
// engine's units.
const (
	maxNodes  = 400
	maxMemory = 20_000
)

func compileCondition(text string) *condition {
	p, err := expr.Compile(text, expr.Env(environment{}), expr.MaxNodes(maxNodes))
	return &condition{p, err}
}

func (s *service) condition(text string) *condition {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.code[text]
	if c == nil {
		c = compileCondition(text)
		s.code[text] = c
	}
	return c
}

// eval returns the expression's value; ok is false where it cannot be evaluated, such
// as a field of a body that is no object.
func (s *service) eval(text string, a *answer) (v any, ok bool) {
	c := s.condition(text)
	if c.err != nil {
		return nil, false
	}
	machine := vm.VM{MemoryBudget: maxMemory}
	v, err := machine.Run(c.program, a.env())
	return v, err == nil
}

// truth is what a condition says of an answer.
type truth int

const (
	no truth = iota // false, or there is no such condition
	yes
	nonsense // it cannot be evaluated: neither true nor false
)

func (s *service) truth(text string, a *answer) truth {
	if text == "" {
		return no
	}
	v, ok := s.eval(text, a)
	switch b, isBool := v.(bool); {
	case !ok || !isBool && v != nil:
		return nonsense
	case b:
		return yes
	}
	return no
}

// holds reports whether a condition is there and true. One that cannot be evaluated
// does not hold.
func (s *service) holds(text string, a *answer) bool { return s.truth(text, a) == yes }

// Check compiles every condition and saved value of a service and checks their types.
// The error, if any, is a rules.Problems.
func Check(svc *rules.Service) error {
	var problems rules.Problems
	ops := svc.Operations()
	for _, set := range []struct {
		name string
		ops  []rules.Operation
	}{{"verify", ops.Verify}, {"whoami", ops.Whoami}, {"list", ops.List}, {"regenerate", ops.Regenerate}, {"revoke", ops.Revoke}, {"disable", ops.Disable}, {"enable", ops.Enable}} {
		for i := range set.ops {
			op := &set.ops[i]
			add := func(field, text string) {
				if text == "" {
					return
				}
				if c := compileCondition(text); c.err != nil {
					first, _, _ := strings.Cut(c.err.Error(), "\n")
					problems = append(problems, rules.Problem{File: svc.File, Line: op.Line, Rule: set.name, Field: field, Text: first})
				} else if t := c.program.Node().Type(); field != "each" && !strings.HasPrefix(field, "save.") && t != nil && t.Kind().String() != "bool" && t.Kind().String() != "interface" {
					problems = append(problems, rules.Problem{File: svc.File, Line: op.Line, Rule: set.name, Field: field, Text: fmt.Sprintf("is %s: want a condition", t)})
				}
			}
			for field, text := range map[string]string{"active": op.Active, "restricted": op.Restricted, "in_grace": op.InGrace, "inactive": op.Inactive, "done": op.Done, "refused": op.Refused, "throttled": op.Throttled, "gone": op.Gone, "each": op.Each} {
				add(field, text)
			}
			for name, text := range op.Save {
				add("save."+name, text)
			}
			for _, st := range op.Before {
				add("before.done", st.Done)
				for name, text := range st.Save {
					add("save."+name, text)
				}
			}
			if set.name == "verify" && op.Driver == "" && op.Active != "" && op.Weak == "" && !restsOnFact(op.Active) {
				problems = append(problems, rules.Problem{File: svc.File, Line: op.Line, Rule: set.name, Field: "active", Text: "rests on the status alone: name a fact of body or headers, or say weak = \"why\""})
			}
		}
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}

func restsOnFact(active string) bool {
	for _, word := range []string{"json", "body", "header"} {
		if strings.Contains(active, word) {
			return true
		}
	}
	return false
}

// Verifies reports whether the service can be asked about keys of a rule, and by
// which driver ("" is HTTP).
func Verifies(svc *rules.Service, rule string) (driver string, ok bool) {
	for _, op := range svc.Operations().Verify {
		for _, g := range op.Rules {
			if m, _ := path.Match(g, rule); m {
				return op.Driver, true
			}
		}
	}
	return "", false
}
