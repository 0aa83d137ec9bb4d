package addevent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// block is code of the page, and where it says that it goes.
type block struct {
	file     string
	place    string // "a new file", "at the end", "before", "after"
	function string // in which the line is; "" for the whole file
	line     string // before or after which it goes
	code     []string
}

// where is a line of the page that says where the block after it goes.
var where = regexp.MustCompile("^`([^`]+)`, (?:(a new file|at the end)|(?:in the function `([^`]+)`, )?(before|after) the line `([^`]+)`):$")

// blocksOf are the blocks of code that a section of a page says to add. Those of
// commands (```sh) are for a shell.
func blocksOf(page, section string) (all []block, err error) {
	_, text, found := strings.Cut(page, "\n## "+section+"\n")
	if !found {
		return nil, fmt.Errorf("the page has no section %q", section)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		language, fence := strings.CutPrefix(lines[i], "```")
		if !fence {
			continue
		}
		end := i + 1 + slices.Index(lines[i+1:], "```")
		if end == i {
			return nil, fmt.Errorf("the block %q has no end", lines[i])
		}
		if language != "sh" {
			said := where.FindStringSubmatch(before(lines[:i]))
			if said == nil {
				return nil, fmt.Errorf("nothing says where the block after %q goes", before(lines[:i]))
			}
			all = append(all, block{said[1], said[2] + said[4], said[3], said[5], lines[i+1 : end]})
		}
		i = end
	}
	return all, nil
}

// before is the last line that is not blank.
func before(lines []string) string {
	for _, line := range slices.Backward(lines) {
		if line != "" {
			return line
		}
	}
	return ""
}

const samplePage = `
## Other

## Add

Say where:

`

func TestABlockGoesWhereThePageSays(t *testing.T) {
	const file = "package p\n\nfunc a() {\n\tx()\n}\n\nfunc b() {\n\tx()\n\ty()\n}\n"
	const fence = "```"
	for name, tt := range map[string]struct {
		page       string
		want, says string // the file, or the error
	}{
		"at the end":         {page: "`p.go`, at the end:\n\n" + fence + "go\n\nvar z int\n" + fence, want: file + "\nvar z int\n"},
		"before a line":      {page: "`p.go`, before the line `y()`:\n" + fence + "\n\tz()\n" + fence, want: strings.Replace(file, "\ty()", "\tz()\n\ty()", 1)},
		"after a line":       {page: "`p.go`, after the line `y()`:\n" + fence + "\n\tz()\n" + fence, want: strings.Replace(file, "\ty()", "\ty()\n\tz()", 1)},
		"in a function":      {page: "`p.go`, in the function `a`, after the line `x()`:\n" + fence + "\n\tz()\n" + fence, want: strings.Replace(file, "\tx()", "\tx()\n\tz()", 1)},
		"a command":          {page: fence + "sh\nmake\n" + fence, want: file},
		"a line twice":       {page: "`p.go`, after the line `x()`:\n" + fence + "\nz\n" + fence, says: "more than one line x()"},
		"a line nowhere":     {page: "`p.go`, after the line `q()`:\n" + fence + "\nz\n" + fence, says: "no line q()"},
		"another function's": {page: "`p.go`, in the function `a`, after the line `y()`:\n" + fence + "\nz\n" + fence, says: "no line y()"},
		"a function nowhere": {page: "`p.go`, in the function `c`, after the line `y()`:\n" + fence + "\nz\n" + fence, says: "no function c"},
		"a file nowhere":     {page: "`q.go`, at the end:\n" + fence + "\nz\n" + fence, says: "no such file"},
		"a file that is":     {page: "`p.go`, a new file:\n" + fence + "\nz\n" + fence, says: "there already"},
		"nowhere":            {page: "Somewhere:\n" + fence + "\nz\n" + fence, says: "nothing says where"},
		"no end":             {page: "`p.go`, at the end:\n" + fence + "\nz\n", says: "no end"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			if err := os.WriteFile(filepath.Join(folder, "p.go"), []byte(file), 0o600); err != nil {
				t.Fatal(err)
			}
			blocks, err := blocksOf(samplePage+tt.page+"\n", "Add")
			err = errors.Join(err, follow(folder, blocks))
			if tt.says != "" {
				if err == nil || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("got error %v", err)
				}
				return
			}
			got, _ := os.ReadFile(filepath.Join(folder, "p.go"))
			if err != nil || string(got) != tt.want {
				t.Errorf("error %v, file:\n%s", err, got)
			}
		})
	}
}

// Whoever followed the page, and went on, has nothing to add.
func TestAPageThatWasFollowedIsNotAppliedAgain(t *testing.T) {
	const fence = "\n```\n"
	const page = samplePage + "`p.go`, in the function `a`, after the line `x()`:" + fence + "\tz()" + fence +
		"\n`q.go`, a new file:" + fence + "package p" + fence
	const followed = "package p\n\nfunc a() {\n\tx()\n\tnew()\n\tz()\n}\n"
	for name, tt := range map[string]struct{ p, q, says string }{
		"all":                   {followed, "package p\n", ""},
		"a file is missing":     {followed, "", "no block of it in q.go"},
		"a file is another":     {followed, "package q\n", "no block of it in q.go"},
		"a line is missing":     {strings.Replace(followed, "z()", "y()", 1), "package p\n", "no block of it in p.go"},
		"a line is elsewhere":   {strings.Replace(followed, "\tz()\n}", "}\n\nfunc b() {\n\tz()\n}", 1), "package p\n", "no block of it in p.go"},
		"a function is missing": {strings.Replace(followed, "a()", "b()", 1), "package p\n", "no function a"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			for file, content := range map[string]string{"p.go": tt.p, "q.go": tt.q} {
				if content == "" {
					continue
				}
				if err := os.WriteFile(filepath.Join(folder, file), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			blocks, err := blocksOf(page, "Add")
			if err != nil {
				t.Fatal(err)
			}
			err = follow(folder, blocks)
			if tt.says != "" {
				if err == nil || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("got error %v", err)
				}
				return
			}
			if got, _ := os.ReadFile(filepath.Join(folder, "p.go")); err != nil || string(got) != tt.p {
				t.Errorf("error %v, file:\n%s", err, got)
			}
		})
	}
}

func TestASectionThatIsNotThereIsNotFound(t *testing.T) {
	if _, err := blocksOf(samplePage, "Remove"); err == nil {
		t.Error("a section that is not there was found")
	}
}
