package keyservice

import (
	"encoding/json"
	"reflect"
	"regexp/syntax"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"
)

// sample is an answer that a condition describes, made from the condition.
type sample struct {
	status int
	header map[string]string
	json   any
	body   string
	choice int // which side of the first "or" is taken
}

func (s *sample) bytes() []byte {
	if s.json == nil {
		return []byte(s.body)
	}
	if s.body != "" {
		if m, ok := s.json.(map[string]any); ok {
			m["_body"] = s.body
		}
	}
	b, _ := json.Marshal(s.json)
	return b
}

// solve makes an answer for which the condition holds; ok is false where the solver
// does not understand it.
func solve(condition string, choice int) (*sample, bool) {
	tree, err := parser.Parse(condition)
	if err != nil {
		return nil, false
	}
	s := &sample{status: 200, header: map[string]string{}, choice: choice}
	return s, s.want(tree.Node, true, nil)
}

// want changes the answer so that a node is as wanted. at is the path of the element
// that a predicate looks at.
func (s *sample) want(n ast.Node, truth bool, at []any) bool {
	switch n := n.(type) {
	case *ast.ChainNode:
		return s.want(n.Node, truth, at)
	case *ast.UnaryNode:
		return s.want(n.Node, !truth, at)
	case *ast.BuiltinNode:
		if n.Name == "any" && truth {
			path, ok := s.path(n.Arguments[0], at)
			return ok && s.want(n.Arguments[1], true, append(path, 0))
		}
		return !truth
	case *ast.PredicateNode:
		return s.want(n.Node, truth, at)
	case *ast.BinaryNode:
		return s.binary(n, truth, at)
	}
	return false
}

func (s *sample) binary(n *ast.BinaryNode, truth bool, at []any) bool {
	switch n.Operator {
	case "&&", "and":
		if truth {
			return s.want(n.Left, true, at) && s.want(n.Right, true, at)
		}
		return s.want(n.Left, false, at)
	case "||", "or":
		if !truth {
			return s.want(n.Left, false, at) && s.want(n.Right, false, at)
		}
		side := n.Left
		if s.choice%2 == 1 {
			side = n.Right
		}
		s.choice /= 2
		return s.want(side, true, at)
	}
	if b, ok := n.Left.(*ast.BuiltinNode); ok && (b.Name == "len" || b.Name == "type") {
		path, ok := s.path(b.Arguments[0], at)
		if !ok {
			return false
		}
		if b.Name == "len" {
			if truth {
				s.set(append(path, 0), map[string]any{"x": "v"}, false)
			}
			return true
		}
		if kind, ok := n.Right.(*ast.StringNode); ok && b.Name == "type" && kind.Value == "array" {
			s.set(append(path, 0), map[string]any{"x": "v"}, false)
			return true
		}
		return false
	}
	path, ok := s.path(n.Left, at)
	if !ok {
		return false
	}
	value, ok := literal(n.Right, n.Operator)
	if !ok {
		return false
	}
	equal := n.Operator != "!="
	switch {
	case equal == truth && value != nil:
		s.set(path, value, true)
	case equal != truth && value == nil:
		s.set(path, "v1", false)
	case equal != truth && n.Operator != "==" && n.Operator != "!=":
		s.set(path, "something else", false)
	}
	return true
}

// literal returns a value for which the operator holds.
func literal(n ast.Node, operator string) (any, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		if operator == "matches" {
			tree, err := syntax.Parse(n.Value, syntax.Perl)
			if err != nil {
				return nil, false
			}
			g := &generator{groups: map[string][2]int{}}
			g.write(tree)
			return string(g.out), true
		}
		return n.Value, true
	case *ast.IntegerNode:
		v := n.Value
		switch operator {
		case ">":
			v++
		case "<":
			v--
		}
		return v, true
	case *ast.BoolNode:
		return n.Value, true
	case *ast.NilNode:
		return nil, true
	case *ast.ArrayNode:
		return literal(n.Nodes[0], "==")
	case *ast.ConstantNode:
		if v := reflect.ValueOf(n.Value); v.Kind() == reflect.Slice && v.Len() > 0 {
			return v.Index(0).Interface(), true
		}
		return n.Value, true
	}
	return nil, false
}

// path returns where a node points: its first element is status, header, body or json.
func (s *sample) path(n ast.Node, at []any) ([]any, bool) {
	switch n := n.(type) {
	case *ast.ChainNode:
		return s.path(n.Node, at)
	case *ast.IdentifierNode:
		return []any{n.Value}, true
	case *ast.PointerNode:
		return append([]any(nil), at...), at != nil
	case *ast.MemberNode:
		p, ok := s.path(n.Node, at)
		if !ok {
			return nil, false
		}
		switch prop := n.Property.(type) {
		case *ast.StringNode:
			return append(p, prop.Value), true
		case *ast.IntegerNode:
			return append(p, prop.Value), true
		}
	case *ast.BuiltinNode: // lower(x), string(x)
		if len(n.Arguments) == 1 {
			return s.path(n.Arguments[0], at)
		}
	}
	return nil, false
}

// set puts a value at a path; an older one stays unless over.
func (s *sample) set(path []any, value any, over bool) {
	switch path[0] {
	case "status":
		if v, ok := value.(int); ok {
			s.status = v
		}
	case "body":
		if v, ok := value.(string); ok {
			s.body = strings.TrimSpace(s.body + " " + v)
		}
	case "header":
		if v, ok := value.(string); ok && len(path) > 1 {
			s.header[path[1].(string)] = v
		}
	case "json":
		s.json = place(s.json, path[1:], value, over)
	}
}

func place(in any, path []any, value any, over bool) any {
	if len(path) == 0 {
		if in == nil || over {
			return value
		}
		return in
	}
	switch key := path[0].(type) {
	case string:
		m, ok := in.(map[string]any)
		if !ok {
			m = map[string]any{}
		}
		m[key] = place(m[key], path[1:], value, over)
		return m
	case int:
		l, _ := in.([]any)
		for len(l) <= key {
			l = append(l, nil)
		}
		l[key] = place(l[key], path[1:], value, over)
		return l
	}
	return in
}
