// Package document reads the repository's own Markdown files: their links, and
// the code blocks that a reader is told to add or to run.
//
// A block belongs to a file if the line before it says so:
//
//	`services/chat/notice.go`, in the function `Handle`, after the line `x()`:
//
// The place is "a new file", "at the end", or "before the line" or "after the
// line", in a function or in the whole file. A block whose first line is
// "```sh run" is run by `make test`, in a copy of the repository, after the
// blocks above it in the same section were added.
package document

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// Pages lists the Markdown files of a repository by their paths in it.
func Pages(root string) (pages []string, err error) {
	err = fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git"):
			return fs.SkipDir
		case path.Ext(name) == ".md":
			pages = append(pages, name)
		}
		return nil
	})
	return pages, err
}

// Sections splits a page at its headings of level 2, by their titles.
func Sections(page string) map[string]string {
	sections := map[string]string{}
	for _, text := range strings.Split("\n"+page, "\n## ")[1:] {
		title, text, _ := strings.Cut(text, "\n")
		sections[title] = text
	}
	return sections
}

// Fence is a fenced block of code.
type Fence struct {
	Info  string // after the first backticks: "go", "sh run"
	Intro string // the last line before the block that is not blank
	Code  []string
}

// Fences lists the fenced blocks of a text.
func Fences(text string) (fences []Fence, err error) {
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		info, opens := strings.CutPrefix(lines[i], "```")
		if !opens {
			continue
		}
		length := slices.Index(lines[i+1:], "```")
		if length < 0 {
			return nil, fmt.Errorf("the block %q has no end", lines[i])
		}
		end := i + 1 + length
		fences = append(fences, Fence{Info: info, Intro: lastLine(lines[:i]), Code: lines[i+1 : end]})
		i = end
	}
	return fences, nil
}

// lastLine returns the last line that is not blank.
func lastLine(lines []string) string {
	for _, line := range slices.Backward(lines) {
		if line != "" {
			return line
		}
	}
	return ""
}
