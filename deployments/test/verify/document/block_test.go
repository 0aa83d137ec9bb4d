package document_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"parley.internal/verify/document"
)

const samplePage = `
## Other

## Add

Say where:

`

func TestBlockIsAddedAtItsPlace(t *testing.T) {
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
		"a file that is":     {page: "`p.go`, a new file:\n" + fence + "\nz\n" + fence, says: "exists already"},
		"nowhere":            {page: "Somewhere:\n" + fence + "\nz\n" + fence, says: "no place is named"},
		"no end":             {page: "`p.go`, at the end:\n" + fence + "\nz\n", says: "no end"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			if err := os.WriteFile(filepath.Join(folder, "p.go"), []byte(file), 0o600); err != nil {
				t.Fatal(err)
			}
			blocks, err := document.Blocks(samplePage+tt.page+"\n", "Add")
			err = errors.Join(err, document.Follow(folder, blocks))
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

func TestFollowedPageIsNotAppliedTwice(t *testing.T) {
	const fence = "\n```\n"
	const page = samplePage + "`p.go`, in the function `a`, after the line `x()`:" + fence + "\tz()" + fence +
		"\n`q.go`, a new file:" + fence + "package p" + fence
	const followed = "package p\n\nfunc a() {\n\tx()\n\tnew()\n\tz()\n}\n"
	for name, tt := range map[string]struct{ p, q, says string }{
		"all":                   {followed, "package p\n", ""},
		"a file is missing":     {followed, "", "missing in q.go"},
		"a file is another":     {followed, "package q\n", "missing in q.go"},
		"a line is missing":     {strings.Replace(followed, "z()", "y()", 1), "package p\n", "missing in p.go"},
		"a line is elsewhere":   {strings.Replace(followed, "\tz()\n}", "}\n\nfunc b() {\n\tz()\n}", 1), "package p\n", "missing in p.go"},
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
			blocks, err := document.Blocks(page, "Add")
			if err != nil {
				t.Fatal(err)
			}
			err = document.Follow(folder, blocks)
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

func TestMissingSectionIsAnError(t *testing.T) {
	if _, err := document.Blocks(samplePage, "Remove"); err == nil {
		t.Error("a missing section was found")
	}
}
