// Package language measures the prose and the names of the repository: vague
// words in comments, retired words, and the sizes of types and packages.
package language

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
)

// File is a Go file of the repository.
type File struct {
	Path   string // from the root of the repository
	Text   string
	Syntax *ast.File
	set    *token.FileSet
}

func (f File) line(at token.Pos) int { return f.set.Position(at).Line }

// Package returns the folder of the file.
func (f File) Package() string { return path.Dir(f.Path) }

func (f File) test() bool { return strings.HasSuffix(f.Path, "_test.go") }

// GoFiles parses the Go files below the given folders of a repository, but for
// generated ones.
func GoFiles(root string, folders ...string) (files []File, err error) {
	set := token.NewFileSet()
	err = walk(root, folders, func(name, text string) error {
		if path.Ext(name) != ".go" {
			return nil
		}
		syntax, err := parser.ParseFile(set, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err == nil && !ast.IsGenerated(syntax) {
			files = append(files, File{name, text, syntax, set})
		}
		return err
	})
	return files, err
}

// ignored folders hold dependencies and files that a build writes.
var ignored = regexp.MustCompile(`(^|/)(node_modules|testdata|dist|\.[^/]+)$`)

func walk(root string, folders []string, visit func(name, text string) error) error {
	fsys := os.DirFS(root)
	for _, folder := range folders {
		err := fs.WalkDir(fsys, folder, func(name string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && ignored.MatchString(name):
				return fs.SkipDir
			case entry.IsDir():
				return nil
			}
			text, err := fs.ReadFile(fsys, name)
			if err != nil {
				return err
			}
			return visit(name, string(text))
		})
		if err != nil {
			return err
		}
	}
	return nil
}
