package document

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Copy copies a repository as it is now, committed or not, into a folder that
// the end of the test removes. The copy shares frontend/node_modules.
func Copy(t *testing.T, repository string) (folder string) {
	t.Helper()
	folder = t.TempDir()
	for _, file := range files(t, repository) {
		content, err := os.ReadFile(filepath.Join(repository, file))
		if os.IsNotExist(err) {
			continue // Deleted, and the deletion is not committed.
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
		t.Fatalf("`make web` installs frontend/node_modules: %v", err)
	}
	if err := os.Symlink(modules, filepath.Join(folder, "frontend/node_modules")); err != nil {
		t.Fatal(err)
	}
	return folder
}

// files lists the files that are in git or could be added.
func files(t *testing.T, folder string) []string {
	t.Helper()
	list := exec.Command("git", "-C", folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

// Run runs a command in a folder, in the folder's own Go workspace, and returns
// its output.
func Run(t *testing.T, folder, name string, args ...string) string {
	t.Helper()
	command := exec.Command(name, args...)
	command.Dir = folder
	// `make check` sets these for its own run.
	command.Env = append(os.Environ(), "GOWORK=", "MAKEFLAGS=", "PWD="+folder)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}
