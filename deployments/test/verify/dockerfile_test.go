package verify

import (
	"bytes"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

const dockerfile = "../../compose/Dockerfile"

// stages parses the Dockerfile with BuildKit's parser and linter.
func stages(t *testing.T) []instructions.Stage {
	t.Helper()
	file, err := os.ReadFile(dockerfile)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parser.Parse(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	lint := linter.New(&linter.Config{Warn: func(rule, _, _, message string, _ []parser.Range) {
		t.Errorf("Dockerfile: %s: %s", rule, message)
	}})
	all, _, err := instructions.Parse(parsed.AST, lint)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func stage(t *testing.T, name string) instructions.Stage {
	t.Helper()
	all := stages(t)
	i, ok := instructions.HasStage(all, name)
	if !ok {
		t.Fatalf("the Dockerfile has no stage %q", name)
	}
	return all[i]
}

// basesOf returns the base images of the Dockerfile.
func basesOf(t *testing.T) []string {
	t.Helper()
	var images []string
	all := stages(t)
	for i, s := range all {
		if _, ok := instructions.HasStage(all[:i], s.BaseName); !ok {
			images = append(images, s.BaseName)
		}
	}
	return images
}

// commands returns a stage's instructions of one kind.
func commands[C instructions.Command](s instructions.Stage) []C {
	var found []C
	for _, command := range s.Commands {
		if c, ok := command.(C); ok {
			found = append(found, c)
		}
	}
	return found
}

// TestCopiedFilesExist checks the files that the Dockerfile copies from the
// repository, after .dockerignore, and from earlier stages.
func TestCopiedFilesExist(t *testing.T) {
	ignored := ignored(t)
	all := stages(t)
	for i, s := range all {
		for _, c := range commands[*instructions.CopyCommand](s) {
			if c.From != "" {
				if _, ok := instructions.HasStage(all[:i], c.From); !ok {
					t.Errorf("%s: no earlier stage is named %q", c, c.From)
				}
				continue
			}
			for _, source := range c.SourcePaths {
				info, err := os.Stat(filepath.Join(repository, source))
				if err != nil {
					t.Errorf("%s: %v", c, err)
				} else if strings.HasSuffix(source, "/") && !info.IsDir() {
					t.Errorf("%s: %s is not a folder", c, source)
				}
				if ignored(path.Clean(source)) {
					t.Errorf("%s: .dockerignore excludes %s", c, source)
				}
			}
		}
	}
}

func ignored(t *testing.T) func(file string) bool {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(repository, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	patterns, err := ignorefile.ReadAll(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		t.Fatal(err)
	}
	return func(file string) bool {
		out, err := matcher.MatchesOrParentMatches(file)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

func TestLocalFilesAreIgnored(t *testing.T) {
	ignored := ignored(t)
	for file, want := range map[string]bool{
		".git/config":                             true,
		"bin/parley":                              true,
		".parley/secret":                          true,
		"services/portal/.parley/secret":          true,
		"frontend/node_modules/vite/package.json": true,
		"deployments/compose/.env":                true,
		".env":                                    true,
		"services/portal/web/dist/index.html":     true,
		"services/portal/web/dist/.gitkeep":       false, // the portal embeds the folder
		"services/portal/web/web.go":              false,
		"frontend/src/main.ts":                    false,
		"frontend/public/.gitkeep":                false,
	} {
		if ignored(file) != want {
			t.Errorf("%s is ignored: %t, want %t", file, !want, want)
		}
	}
}

// TestBuiltPackagesExist checks the arguments of `go build` in the Dockerfile.
func TestBuiltPackagesExist(t *testing.T) {
	var programs []string
	for _, s := range stages(t) {
		for _, c := range commands[*instructions.RunCommand](s) {
			line := strings.Join(c.CmdLine, " ")
			if !strings.Contains(line, "go build") {
				continue
			}
			for word := range strings.FieldsSeq(line) {
				if strings.HasPrefix(word, "./") {
					programs = append(programs, path.Base(word))
					if _, err := os.Stat(filepath.Join(repository, word, "main.go")); err != nil {
						t.Error(err)
					}
				}
			}
		}
	}
	if want := []string{"policyd", "chatd", "paymentsd", "parley"}; !slices.Equal(programs, want) {
		t.Errorf("got programs %v, want %v", programs, want)
	}
}

// TestTargetsRunTheirProgramUnprivileged checks that each image starts the copied
// program as a user without privileges.
func TestTargetsRunTheirProgramUnprivileged(t *testing.T) {
	for _, name := range built(project(t)) {
		t.Run(name, func(t *testing.T) {
			target := stage(t, name)
			users := commands[*instructions.UserCommand](target)
			if len(users) != 1 || users[0].User != "nonroot" {
				t.Error("the user is not nonroot")
			}
			entries := commands[*instructions.EntrypointCommand](target)
			if len(entries) != 1 || !slices.Equal(entries[0].CmdLine, []string{"/" + name}) {
				t.Fatalf("got entrypoint %v, want /%s", entries, name)
			}
			copied := slices.ContainsFunc(commands[*instructions.CopyCommand](target), func(c *instructions.CopyCommand) bool {
				return c.DestPath == "/"+name && slices.Equal(c.SourcePaths, []string{"/out/" + name})
			})
			if !copied {
				t.Error("the entrypoint is not copied into the image")
			}
			known := variables(t, commandOf(t, name))
			for _, env := range commands[*instructions.EnvCommand](target) {
				for _, pair := range env.Env {
					if !known[pair.Key] {
						t.Errorf("the program reads no %s", pair.Key)
					}
				}
			}
		})
	}
}

// TestImageAndWorkspaceUseTheSameGo compares the build image with go.work.
func TestImageAndWorkspaceUseTheSameGo(t *testing.T) {
	workspace, err := os.ReadFile(filepath.Join(repository, "go.work"))
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(workspace), "\n")
	want := "golang:" + strings.TrimPrefix(line, "go ")
	if got := stage(t, "source").BaseName; got != want && !strings.HasPrefix(got, want+"-") {
		t.Errorf("got image %s, want %s", got, want)
	}
}
