package rules

import "strings"

// LooksIn reports whether the rule looks in files of this path: one of Include, if
// there are any, and none of Exclude. Text without a path is looked in unless Include
// asks for one.
func (r *Rule) LooksIn(path string) bool {
	if r.Paths == nil {
		return true
	}
	if len(r.Paths.Include) > 0 && !anyGlob(r.Paths.Include, path) {
		return false
	}
	return !anyGlob(r.Paths.Exclude, path)
}

func anyGlob(globs []string, path string) bool {
	for _, g := range globs {
		if Glob(g, path) {
			return true
		}
	}
	return false
}

// Glob reports whether a path matches a glob: * is any text without a slash, ** any
// text, ? one character that is no slash. A glob without a slash matches the last
// part of the path. The inner paths of archives follow the last "!".
func Glob(glob, path string) bool {
	if !strings.Contains(glob, "/") {
		path = path[strings.LastIndexAny(path, "/!")+1:]
	}
	return globMatch(glob, path)
}

// globMatch backtracks only to the last star of each kind, so its cost is at most the
// product of the lengths.
func globMatch(glob, path string) bool {
	type mark struct{ g, p int }
	star, stars := mark{-1, 0}, mark{-1, 0}
	g, p := 0, 0
	for p < len(path) || g < len(glob) {
		switch {
		case strings.HasPrefix(glob[g:], "**"):
			g += 2
			if strings.HasPrefix(glob[g:], "/") && (p == 0 || path[p-1] == '/') {
				g++ // "**/" also stands for nothing
			}
			stars, star = mark{g, p}, mark{-1, 0}
			continue
		case g < len(glob) && glob[g] == '*':
			g++
			star = mark{g, p}
			continue
		case g < len(glob) && p < len(path) && (glob[g] == path[p] || glob[g] == '?' && path[p] != '/'):
			g, p = g+1, p+1
			continue
		}
		switch {
		case star.g >= 0 && star.p < len(path) && path[star.p] != '/':
			star.p++
			g, p = star.g, star.p
		case stars.g >= 0 && stars.p < len(path):
			stars.p++
			g, p, star = stars.g, stars.p, mark{-1, 0}
		default:
			return false
		}
	}
	return true
}
