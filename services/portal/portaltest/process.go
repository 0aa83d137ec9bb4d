package portaltest

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binaries is where Main has built the programs.
var binaries string

// Main is for TestMain: it builds the programs once, for what is killed in a
// test has to be the real one, and then runs the tests.
func Main(m *testing.M) (code int) {
	folder, err := os.MkdirTemp("", "parley")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(folder) }()
	binaries = folder
	build := exec.Command("go", "build", "-o", folder+"/", "parley.internal/portal/cmd/parley",
		"parley.internal/policy/cmd/policyd", "parley.internal/chat/cmd/chatd")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the programs: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// Command runs a program to its end.
func Command(name string, args ...string) *exec.Cmd {
	return exec.Command(filepath.Join(binaries, name), args...)
}

// Process is a program that a test starts, kills and starts again, on one
// address.
type Process struct {
	t    *testing.T
	name string
	addr string
	env  []string
	cmd  *exec.Cmd
	log  logBuffer
}

// New is a program that is not started yet; env are settings of the form
// NAME=value, among them none for its address: it gets a free port of its own.
func New(t *testing.T, name string, env ...string) *Process {
	t.Helper()
	// The port has to be known before, for others are told of it.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	variable := map[string]string{"parley": "PARLEY_ADDR", "policyd": "POLICY_ADDR", "chatd": "CHAT_ADDR"}[name]
	addr := listener.Addr().String()
	return &Process{t: t, name: name, addr: addr, env: append(env, variable+"="+addr)}
}

// URL is where it serves.
func (p *Process) URL() string { return "http://" + p.addr }

// PID is that of the running program.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Log is what it has written to standard error, since its first start.
func (p *Process) Log() string { return p.log.String() }

// Start returns when the program says where it is.
func (p *Process) Start() *Process {
	p.t.Helper()
	p.cmd = Command(p.name)
	p.cmd.Env = append(os.Environ(), p.env...)
	p.cmd.Stderr = &p.log
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(p.Kill)
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		p.Kill()
		p.t.Fatalf("%s did not start: %v\n%s", p.name, err, p.Log())
	}
	return p
}

// Kill ends it as a power cut would.
func (p *Process) Kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}

// stopTimeout is how long a program may take to stop.
const stopTimeout = 30 * time.Second

// Stop asks it to stop, and expects that it does, cleanly.
func (p *Process) Stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	late := time.AfterFunc(stopTimeout, func() { _ = p.cmd.Process.Kill() })
	defer late.Stop()
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("%s did not stop cleanly: %v\n%s", p.name, err, tail(p.Log()))
	}
}

func tail(log string) string { return log[max(0, len(log)-4000):] }

// logBuffer is what a program writes; it may be read meanwhile.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p) //nolint:wrapcheck // It never fails.
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
