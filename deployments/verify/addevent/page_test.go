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

// apply adds the block to the repository in a folder.
func (b block) apply(folder string) error {
	file := filepath.Join(folder, b.file)
	content, err := os.ReadFile(file)
	if b.place == "a new file" {
		if err == nil {
			return fmt.Errorf("%s is there already", b.file)
		}
		return os.WriteFile(file, []byte(strings.Join(b.code, "\n")+"\n"), 0o600)
	}
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
	at, err := b.find(lines)
	if err != nil {
		return fmt.Errorf("%s: %w", b.file, err)
	}
	return os.WriteFile(file, []byte(strings.Join(slices.Insert(lines, at, b.code...), "\n")+"\n"), 0o600)
}

// find is the number of the line before which the block goes.
func (b block) find(lines []string) (int, error) {
	if b.place == "at the end" {
		return len(lines), nil
	}
	from, to := 0, len(lines)
	if b.function != "" {
		head := regexp.MustCompile(`^func (\([^)]*\) )?` + regexp.QuoteMeta(b.function) + `[\[(]`)
		if from = slices.IndexFunc(lines, head.MatchString); from < 0 {
			return 0, fmt.Errorf("there is no function %s", b.function)
		}
		to = from + slices.Index(lines[from:], "}")
	}
	var found []int
	for i := from; i < to; i++ {
		if strings.TrimSpace(lines[i]) == b.line {
			found = append(found, i)
		}
	}
	switch {
	case len(found) == 0:
		return 0, errors.New("there is no line " + b.line)
	case len(found) > 1:
		return 0, errors.New("there is more than one line " + b.line)
	case b.place == "after":
		return found[0] + 1, nil
	default:
		return found[0], nil
	}
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
			for _, b := range blocks {
				err = errors.Join(err, b.apply(folder))
			}
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
	if _, err := blocksOf(samplePage, "Remove"); err == nil {
		t.Error("a section that is not there was found")
	}
}
