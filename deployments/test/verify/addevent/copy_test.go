package addevent

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const repository = "../../../.."

// scratch is a copy of the repository as it is now, committed or not, that goes
// with the test. The front end's tools are shared.
func scratch(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for _, file := range files(t, repository) {
		content, err := os.ReadFile(filepath.Join(repository, file))
		if os.IsNotExist(err) {
			continue // It is deleted and not committed.
		}
		info, errInfo := os.Stat(filepath.Join(repository, file))
		if err != nil || errInfo != nil {
			t.Fatal(err, errInfo)
		}
		to := filepath.Join(folder, file)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, content, info.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
	modules, err := filepath.Abs(filepath.Join(repository, "frontend/node_modules"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(modules); err != nil {
		t.Fatalf("make web installs it: %v", err)
	}
	if err := os.Symlink(modules, filepath.Join(folder, "frontend/node_modules")); err != nil {
		t.Fatal(err)
	}
	return folder
}

// files are the names of those that are, or could be, in git.
func files(t *testing.T, folder string) []string {
	t.Helper()
	list := exec.Command("git", "-C", folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

// run runs a command in a folder, in the workspace that is there, and returns
// what it says.
func run(t *testing.T, folder, name string, args ...string) string {
	t.Helper()
	command := exec.Command(name, args...)
	command.Dir = folder
	command.Env = append(os.Environ(), "GOWORK=", "MAKEFLAGS=", "PWD="+folder) // Not those of `make check`.
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

// added are the files of the page, and the number of lines that they get.
func added(blocks []block) (names map[string]bool, lines int) {
	names = make(map[string]bool)
	for _, b := range blocks {
		names[b.file] = true
		lines += len(b.code)
	}
	return names, lines
}
