package hub

import (
	"bufio"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"parley.internal/bench/hub/listen"
)

// programs is the folder of the built servers.
type programs string

// build compiles the servers.
func (ps programs) build(tb testing.TB) {
	tb.Helper()
	must(tb, listen.RaiseLimit())
	folder := string(ps)
	for module, packages := range map[string][]string{
		".":                         {"./parley", "./centrifuge", "./gorilla", "./bare"},
		"../../../../services/chat": {"./cmd/chatd"},
	} {
		cmd := exec.CommandContext(tb.Context(), "go", append([]string{"-C", module, "build", "-o", folder + "/"}, packages...)...)
		cmd.Env = append(os.Environ(), "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			tb.Fatalf("build the servers: %v\n%s", err, out)
		}
	}
	if _, err := os.Stat("socketio/node_modules/socket.io"); err != nil {
		tb.Fatalf("Socket.IO is not installed; `make bench` and `make test` install it, or npm ci in socketio: %v", err)
	}
	here, err := filepath.Abs("socketio/server.js")
	must(tb, err)
	script := "#!/bin/sh\nexec node '" + here + "'\n"
	must(tb, os.WriteFile(filepath.Join(folder, "socketio"), []byte(script), 0o700))
}

// server is a process under test.
type server struct {
	tb   testing.TB
	cmd  *exec.Cmd
	log  string
	addr string
}

// start starts a server and waits for the address on its standard output.
func (ps programs) start(tb testing.TB, p peer) *server {
	tb.Helper()
	s := &server{tb: tb, log: filepath.Join(tb.TempDir(), "log")}
	s.cmd = exec.Command(filepath.Join(string(ps), p.command[0]), p.command[1:]...)
	s.cmd.Env = append(os.Environ(), p.env...)
	stderr, err := os.Create(s.log)
	must(tb, err)
	defer func() { _ = stderr.Close() }() // the process has a descriptor of its own
	s.cmd.Stderr = stderr
	_, err = s.cmd.StdinPipe() // the server exits when it is closed, also without stop
	must(tb, err)
	stdout, err := s.cmd.StdoutPipe()
	must(tb, err)
	must(tb, s.cmd.Start())
	tb.Cleanup(s.stop)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		tb.Fatalf("%s did not start: %v\n%s", p.name, err, s.logTail())
	}
	s.addr = strings.TrimSpace(line[strings.LastIndexAny(line, " /")+1:]) // chatd prints a sentence
	if _, err := url.Parse("http://" + s.addr); err != nil {
		tb.Fatalf("%s prints %q", p.name, line)
	}
	return s
}

// logTail returns the end of the server's log.
func (s *server) logTail() string {
	text, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-2000):])
}

// stop kills the server.
func (s *server) stop() {
	if s.cmd.ProcessState != nil {
		return
	}
	_ = s.cmd.Process.Kill() // the server may have exited already
	_ = s.cmd.Wait()         // it was killed
}

// tick is the unit of CPU times in /proc: 10 ms on every Linux.
const tick = 10 * time.Millisecond

// cpu returns the server's CPU time so far, user and system.
func (s *server) cpu() time.Duration {
	s.tb.Helper()
	stat := s.proc("stat")
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:]) // the name before it may contain spaces
	return time.Duration(s.number(fields[11])+s.number(fields[12])) * tick
}

// memory returns the server's resident memory in bytes.
func (s *server) memory() int64 {
	s.tb.Helper()
	return s.number(strings.Fields(s.proc("statm"))[1]) * int64(syscall.Getpagesize())
}

// resetPeak restarts the measurement of peak.
func (s *server) resetPeak() {
	s.tb.Helper()
	must(s.tb, os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.cmd.Process.Pid), []byte("5"), 0)) // 5: reset the peak
}

// peak returns the maximum of resident memory in bytes since resetPeak.
func (s *server) peak() int64 {
	s.tb.Helper()
	for line := range strings.Lines(s.proc("status")) {
		if kilobytes, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			return s.number(strings.Fields(kilobytes)[0]) << 10
		}
	}
	s.tb.Fatal("/proc has no VmHWM")
	return 0
}

func (s *server) proc(file string) string {
	s.tb.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", s.cmd.Process.Pid, file))
	if err != nil || len(data) == 0 {
		s.tb.Fatalf("the server has exited: %v\n%s", err, s.logTail())
	}
	return string(data)
}

func (s *server) number(text string) int64 {
	s.tb.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	must(s.tb, err)
	return n
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
