package language

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// List holds the words that the repository no longer uses, and the places that
// may still use them.
type List struct {
	rules    []*rule
	accepted []*acceptance
}

// rule is a line "scope | pattern | replacement".
type rule struct {
	scopes      []string // of name, text, comment, file, type, func
	pattern     *regexp.Regexp
	replacement string
}

// acceptance is a line "accept | file | pattern | reason".
type acceptance struct {
	file    *regexp.Regexp
	pattern *regexp.Regexp
	line    int
	used    bool
}

// Finding is the use of a retired word.
type Finding struct {
	Path        string
	Line        int
	Scope       string // name, text, comment, file, type or func
	Used        string // the name or text as it is written
	Retired     string
	Replacement string
}

func (f Finding) String() string {
	return fmt.Sprintf("%s:%d: %s %q: %q is retired, use %s", f.Path, f.Line, f.Scope, f.Used, f.Retired, f.Replacement)
}

var scopes = map[string][]string{
	"all":   {"name", "text", "comment", "file"},
	"code":  {"name", "text", "file"},
	"name":  {"name", "file"},
	"text":  {"text"},
	"type":  {"type"},
	"func":  {"func"},
	"ident": {"type", "func"},
}

// ParseList reads a list of retired words. Blank lines and lines that start with
// # are ignored.
func ParseList(text string) (*List, error) {
	l := &List{}
	n := 0
	for line := range strings.Lines(text) {
		n++
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := l.add(n, line); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	return l, nil
}

func (l *List) add(n int, line string) error {
	fields := strings.Split(line, " | ")
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	if fields[0] == "accept" && len(fields) == 4 {
		file, err := regexp.Compile("^(?:" + fields[1] + ")")
		if err != nil {
			return err
		}
		pattern, err := compile(fields[2])
		if err != nil {
			return err
		}
		l.accepted = append(l.accepted, &acceptance{file: file, pattern: pattern, line: n})
		return nil
	}
	in, known := scopes[fields[0]]
	if !known || len(fields) != 3 {
		return fmt.Errorf("%q is neither a rule nor an exception", line)
	}
	pattern, err := compile(fields[1])
	if err != nil {
		return err
	}
	l.rules = append(l.rules, &rule{in, pattern, fields[2]})
	return nil
}

// compile makes a pattern match whole words.
func compile(pattern string) (*regexp.Regexp, error) {
	return regexp.Compile(`\b(?:` + pattern + `)\b`)
}

// Unused lists the lines of exceptions that accepted no finding.
func (l *List) Unused() (lines []int) {
	for _, a := range l.accepted {
		if !a.used {
			lines = append(lines, a.line)
		}
	}
	return lines
}

// check matches one name or text against the rules of a scope.
func (l *List) check(found *[]Finding, at Finding) {
	text := words(at.Used)
	if at.Scope == "text" || at.Scope == "comment" {
		text = strings.ToLower(at.Used)
	}
	for _, r := range l.rules {
		if !slices.Contains(r.scopes, at.Scope) {
			continue
		}
		span := r.pattern.FindStringIndex(text)
		if span == nil || (at.Scope == "type" || at.Scope == "func") && span[1]-span[0] != len(text) || l.accepts(at, text) {
			continue
		}
		at.Retired, at.Replacement = text[span[0]:span[1]], r.replacement
		at.Used = excerpt(at.Used, text, span)
		*found = append(*found, at)
		return
	}
}

func (l *List) accepts(at Finding, text string) bool {
	for _, a := range l.accepted {
		if a.file.MatchString(at.Path) && a.pattern.MatchString(text) {
			a.used = true
			return true
		}
	}
	return false
}

const context = 25

// excerpt shortens a long text to the surroundings of a word.
func excerpt(original, text string, span []int) string {
	if len(original) != len(text) || len(text) <= 3*context {
		return original
	}
	return original[max(0, span[0]-context):min(len(text), span[1]+context)]
}

var boundary = regexp.MustCompile(`([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])|[^A-Za-z0-9]+`)

// words splits a name in camel case, or of a file, into words in lower case.
func words(name string) string {
	return strings.TrimSpace(strings.ToLower(boundary.ReplaceAllString(name, "$1$3 $2$4")))
}

// Go finds retired words in the names, comments and string literals of Go files.
func (l *List) Go(files []File) (found []Finding) {
	for _, f := range files {
		l.checkFile(&found, f.Path)
		for _, group := range f.Syntax.Comments {
			for _, c := range group.List {
				l.check(&found, Finding{Path: f.Path, Line: f.line(c.Pos()), Scope: "comment", Used: c.Text})
			}
		}
		declared := declarations(f.Syntax)
		for node := range ast.Preorder(f.Syntax) {
			at := Finding{Path: f.Path}
			switch n := node.(type) {
			case *ast.Ident:
				at.Line, at.Used, at.Scope = f.line(n.Pos()), n.Name, "name"
				if scope := declared[n]; scope != "" {
					at.Scope = scope
					l.check(&found, at)
					at.Scope = "name"
				}
				l.check(&found, at)
			case *ast.BasicLit:
				if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
					at.Line, at.Used, at.Scope = f.line(n.Pos()), text, "text"
					l.check(&found, at)
				}
			}
		}
	}
	return sorted(found)
}

func (l *List) checkFile(found *[]Finding, name string) {
	l.check(found, Finding{Path: name, Line: 1, Scope: "file", Used: strings.TrimSuffix(path.Base(name), path.Ext(name))})
}

// declarations maps the names of a file's types and functions to their scope.
func declarations(file *ast.File) map[*ast.Ident]string {
	all := map[*ast.Ident]string{}
	for _, declaration := range file.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			all[d.Name] = "func"
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if s, ok := spec.(*ast.TypeSpec); ok {
					all[s.Name] = "type"
				}
			}
		}
	}
	return all
}

// sorted orders findings by place, one for each use on a line.
func sorted(found []Finding) []Finding {
	slices.SortFunc(found, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), cmp.Compare(a.Line, b.Line), strings.Compare(a.Used, b.Used))
	})
	return slices.CompactFunc(found, func(a, b Finding) bool { return a.Path == b.Path && a.Line == b.Line && a.Used == b.Used })
}
