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
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent ends
}

func TestKilledTestBinaryLeavesNothing(t *testing.T) {
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
		t.Fatalf("got %d processes in %s, want at least 4", len(before), root)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // reports the kill

	deadline := time.After(soon)
	for {
		_, err := os.Stat(root)
		left := workingIn(t, root)
		if os.IsNotExist(err) && len(left) == 0 {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("processes %v and folder (%v) remain", left, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// rootOf returns the root folder of the helper with this output.
func rootOf(t *testing.T, stdout io.Reader) string {
	t.Helper()
	lines := bufio.NewScanner(stdout)
	var output []string
	for lines.Scan() {
		output = append(output, lines.Text())
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
	t.Fatalf("helper printed no process id:\n%s", strings.Join(output, "\n"))
	return ""
}

// workingIn returns the processes with a working directory below the folder.
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
