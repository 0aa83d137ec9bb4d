package testenv_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley.internal/pkg/testenv"
)

// TestHelperProcess starts servers and waits to be killed.
func TestHelperProcess(t *testing.T) {
	if os.Getenv("TESTENV_HELPER") == "" {
		return
	}
	testenv.RabbitMQ(t)
	testenv.Postgres(t)
	testenv.Redis(t)
	frozen := testenv.StartPostgres(t)
	frozen.Freeze()
	if _, err := fmt.Fprintln(os.Stdout, "pid", frozen.PID()); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // Until whoever started it has ended.
}

func TestNothingIsLeftOfAKilledTestBinary(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHelperProcess$")
	cmd.Env = append(os.Environ(), "TESTENV_HELPER=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	root := rootOf(t, stdout)
	before := workingIn(t, root)
	if len(before) < 4 {
		t.Fatalf("only %d processes work in %s", len(before), root)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // It was killed.

	deadline := time.After(soon)
	for {
		_, err := os.Stat(root)
		left := workingIn(t, root)
		if os.IsNotExist(err) && len(left) == 0 {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("left: %v, folder: %v", left, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// rootOf is the folder of the test binary whose output this is.
func rootOf(t *testing.T, stdout io.Reader) string {
	t.Helper()
	lines := bufio.NewScanner(stdout)
	var said []string
	for lines.Scan() {
		said = append(said, lines.Text())
		pid, ok := strings.CutPrefix(lines.Text(), "pid ")
		if !ok {
			continue
		}
		data, err := os.Readlink("/proc/" + pid + "/cwd")
		if err != nil {
			t.Fatal(err)
		}
		return filepath.Dir(filepath.Dir(data)) // root/postgres-N/data
	}
	t.Fatalf("the helper said only:\n%s", strings.Join(said, "\n"))
	return ""
}

// workingIn are the processes whose working directory is below the folder.
func workingIn(t *testing.T, folder string) (pids []string) {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if dir, err := os.Readlink(link); err == nil && strings.HasPrefix(dir, folder+"/") {
			pids = append(pids, link)
		}
	}
	return pids
}
