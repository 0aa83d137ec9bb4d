package language

import (
	"cmp"
	"fmt"
	"go/ast"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
)

// Measures are the sizes of a tree of Go packages and the prose of its comments.
// Tests and generated code are not counted.
type Measures struct {
	Prose map[string]Prose // by package
	Types []Type           // the largest first
	Lines map[string]int   // lines of product code by package: no blanks, no comments
}

// Prose counts the words in the comments of a package.
type Prose struct{ Words, Vague, What int }

// Type is a type with methods.
type Type struct {
	Name           string // package.Type
	Methods, Files int
}

// vague words stand for a noun that the sentence leaves out.
var vague = regexp.MustCompile(`^(what|who|whom|whose|whoever|whatever|it|its|that|those|ones?|which|such)$`)

// supporting packages help tests, or are an example: their lines are no product
// code.
var supporting = regexp.MustCompile(`(^|/)(testenv|[a-z]*test)(/|$)|^services/payments(/|$)`)

var (
	word      = regexp.MustCompile(`[a-z']+`)
	directive = regexp.MustCompile(`^//(go:|nolint)`)
)

// Measure counts files.
func Measure(files []File) Measures {
	m := Measures{Prose: map[string]Prose{}, Lines: map[string]int{}}
	methods, spread := map[string]int{}, map[string]map[string]bool{}
	for _, f := range files {
		if f.test() {
			continue
		}
		m.Prose[f.Package()] = m.Prose[f.Package()].add(f)
		if supporting.MatchString(f.Package()) {
			continue
		}
		m.Lines[f.Package()] += lines(f.Text)
		for _, name := range receivers(f) {
			name = f.Package() + "." + name
			methods[name]++
			if spread[name] == nil {
				spread[name] = map[string]bool{}
			}
			spread[name][f.Path] = true
		}
	}
	for name, n := range methods {
		m.Types = append(m.Types, Type{name, n, len(spread[name])})
	}
	slices.SortFunc(m.Types, func(a, b Type) int {
		return cmp.Or(cmp.Compare(b.Methods, a.Methods), cmp.Compare(b.Files, a.Files), cmp.Compare(a.Name, b.Name))
	})
	return m
}

func (p Prose) add(f File) Prose {
	for _, group := range f.Syntax.Comments {
		for _, comment := range group.List {
			if directive.MatchString(comment.Text) {
				continue
			}
			for _, w := range word.FindAllString(strings.ToLower(comment.Text), -1) {
				p.Words++
				if vague.MatchString(w) {
					p.Vague++
				}
				if w == "what" {
					p.What++
				}
			}
		}
	}
	return p
}

func lines(text string) (n int) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
			n++
		}
	}
	return n
}

// receivers lists the receiver's type of each method in a file.
func receivers(f File) (names []string) {
	for _, declaration := range f.Syntax.Decls {
		method, ok := declaration.(*ast.FuncDecl)
		if !ok || method.Recv == nil {
			continue
		}
		receiver := method.Recv.List[0].Type
		if pointer, ok := receiver.(*ast.StarExpr); ok {
			receiver = pointer.X
		}
		switch generic := receiver.(type) {
		case *ast.IndexExpr:
			receiver = generic.X
		case *ast.IndexListExpr:
			receiver = generic.X
		}
		if name, ok := receiver.(*ast.Ident); ok {
			names = append(names, name.Name)
		}
	}
	return names
}

const listedTypes = 8

// Print writes a table of the packages, the largest types, and the sums.
func (m Measures) Print(to io.Writer) error {
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "lines\tcomment words\tvague\t\"what\" per 1,000\t  package\t")
	var all Prose
	var sum int
	for _, name := range slices.Sorted(maps.Keys(m.Prose)) {
		p := m.Prose[name]
		fmt.Fprintf(table, "%d\t%d\t%s\t%s\t  %s\t\n", m.Lines[name], p.Words, p.vague(), p.what(), name)
		all = Prose{all.Words + p.Words, all.Vague + p.Vague, all.What + p.What}
		sum += m.Lines[name]
	}
	fmt.Fprintf(table, "%d\t%d\t%s\t%s\t  all\t\n", sum, all.Words, all.vague(), all.what())
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(to, "largest types:")
	for _, t := range m.Types[:min(listedTypes, len(m.Types))] {
		fmt.Fprintf(to, "  %s: %d methods in %d files\n", t.Name, t.Methods, t.Files)
	}
	return nil
}

func (p Prose) vague() string { return fmt.Sprintf("%.1f %%", 100*ratio(p.Vague, p.Words)) }

func (p Prose) what() string { return fmt.Sprintf("%.1f", 1000*ratio(p.What, p.Words)) }

func ratio(part, whole int) float64 { return float64(part) / float64(max(1, whole)) }
