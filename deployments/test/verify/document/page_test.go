package document_test

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"parley.internal/verify/document"
)

const repository = "../../../.."

var commands = flag.Bool("commands", false, "run the commands of the repository's pages; they may need servers")

func pages(t *testing.T) []string {
	t.Helper()
	all, err := document.Pages(repository)
	if err != nil || !slices.Contains(all, "README.md") {
		t.Fatal(all, err)
	}
	return all
}

func TestLinksBetweenPagesLeadSomewhere(t *testing.T) {
	broken, err := document.BrokenLinks(repository, pages(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range broken {
		t.Error(link)
	}
}

// TestCommandsOfPagesSucceed runs the commands of each section in a copy of the
// repository. Blocks with a place are added before the commands below them. Without the
// flag -commands, the shell only parses the commands.
func TestCommandsOfPagesSucceed(t *testing.T) {
	shell := "-euo"
	if !*commands {
		shell = "-neuo"
	}
	for _, page := range pages(t) {
		text, err := os.ReadFile(filepath.Join(repository, page))
		if err != nil {
			t.Fatal(err)
		}
		sections := document.Sections(string(text))
		for _, title := range slices.Sorted(maps.Keys(sections)) {
			if strings.Contains(sections[title], "```sh run\n") {
				t.Run(page+"/"+title, func(t *testing.T) { perform(t, document.Copy(t, repository), sections[title], shell) })
			}
		}
	}
}

// perform adds the blocks and runs the commands of a section, in their order. The options
// of the shell end with o.
func perform(t *testing.T, folder, section, options string) {
	t.Helper()
	fences, err := document.Fences(section)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fences {
		if b, ok := f.Block(); ok {
			if err := b.Add(folder); err != nil {
				t.Fatal(err)
			}
		} else if f.Info == "sh run" {
			document.Run(t, folder, "bash", options, "pipefail", "-c", strings.Join(f.Code, "\n"))
		}
	}
}

func TestCommandRunsAfterTheBlocksAboveIt(t *testing.T) {
	folder := t.TempDir()
	perform(t, folder, "`a.txt`, a new file:\n\n```\none\n```\n\n```sh run\ncp a.txt b.txt\n```\n\n"+
		"`a.txt`, at the end:\n\n```\ntwo\n```\n\n```sh\nfalse\n```\n\n```sh run\ncat a.txt >>b.txt\necho three >>b.txt\n```\n", "-euo")
	if got, err := os.ReadFile(filepath.Join(folder, "b.txt")); err != nil || string(got) != "one\none\ntwo\nthree\n" {
		t.Errorf("got %q, error %v", got, err)
	}
}

func TestBrokenLinkIsFound(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"a file":                 {"[x](docs/other.md)", ""},
		"a folder":               {"[x](docs)", ""},
		"a heading":              {"[x](docs/other.md#how-to-change-apis--quickly)", ""},
		"a repeated heading":     {"[x](docs/other.md#again-1)", ""},
		"a heading of the page":  {"## Here\n\n[x](#here)", ""},
		"another site":           {"[x](https://example.com/a#b)", ""},
		"an image with a title":  {`![x](docs/other.md "title")`, ""},
		"a link in code":         {"`[x](none.md)`\n\n```\n[x](none.md)\n```\n", ""},
		"no file":                {"[x](none.md)", "none.md"},
		"no file of a reference": {"[x][y]\n\n[y]: none.md", "none.md"},
		"no image":               {`<img src="none.png">`, "none.png"},
		"no heading":             {"[x](docs/other.md#nowhere)", "no heading #nowhere"},
		"a heading in code":      {"[x](#fence)\n\n```\n# fence\n```\n", "no heading #fence"},
		"out of the repository":  {"[x](../none.md)", "out of the repository"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			if err := os.Mkdir(filepath.Join(root, "docs"), 0o700); err != nil {
				t.Fatal(err)
			}
			for file, text := range map[string]string{
				"README.md": tt.text, "docs/other.md": "# Other\n## How to change `APIs` – quickly\n### Again\n### Again\n",
			} {
				if err := os.WriteFile(filepath.Join(root, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			pages, err := document.Pages(root)
			if err != nil {
				t.Fatal(err)
			}
			broken, err := document.BrokenLinks(root, pages)
			got := strings.Join(broken, "\n")
			if err != nil || (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, error %v, want %q", got, err, tt.want)
			}
		})
	}
}
