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

// binaries is the folder of the programs built by Main.
var binaries string

// Main builds the programs and runs the tests. Call it in TestMain: tests that kill
// a program need a real process.
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

// Command returns a command that runs a built program.
func Command(name string, args ...string) *exec.Cmd {
	return exec.Command(filepath.Join(binaries, name), args...)
}

// Process is a program with a fixed address for a test to start, kill and restart.
type Process struct {
	Path string // of the program, by default as built by Main

	t    *testing.T
	name string
	addr string
	env  []string
	cmd  *exec.Cmd
	log  logBuffer
}

// New prepares a program with environment variables of the form NAME=value. It adds
// the variable for the address, with a free port.
func New(t *testing.T, name string, env ...string) *Process {
	t.Helper()
	// Other programs need the port before this program starts.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	variable := map[string]string{"parley": "PARLEY_ADDR", "policyd": "POLICY_ADDR", "chatd": "CHAT_ADDR"}[name]
	addr := listener.Addr().String()
	return &Process{Path: filepath.Join(binaries, name), t: t, name: name, addr: addr, env: append(env, variable+"="+addr)}
}

// URL returns the base URL.
func (p *Process) URL() string { return "http://" + p.addr }

// PID returns the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Log returns the standard error output since the first start.
func (p *Process) Log() string { return p.log.String() }

// Start starts the program and waits until it prints its address.
func (p *Process) Start() *Process {
	p.t.Helper()
	p.cmd = exec.Command(p.Path)
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

// Kill sends SIGKILL.
func (p *Process) Kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}

// stopTimeout bounds a clean stop.
const stopTimeout = 30 * time.Second

// Stop sends SIGTERM and fails the test if the program does not stop cleanly.
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

// logBuffer is a buffer that is safe for concurrent use.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
