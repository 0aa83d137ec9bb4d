package chaos

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
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

// build compiles the programs of the system into a folder.
func build(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	for main, module := range map[string]string{
		"./cmd/policyd": "../../../services/policy", "./cmd/paymentsd": "../../../services/payments", "./broken": ".",
	} {
		out, err := exec.Command("go", "-C", module, "build", "-o", folder+"/", main).CombinedOutput()
		if err != nil {
			t.Fatalf("build %s: %v\n%s", main, err, out)
		}
	}
	return folder
}

// Messages in the programs' logs that the fault run observes, and a part of the
// last one's line if no connection was open.
const (
	eventHandled     = `"msg":"event handled"`
	leaseAcquired    = `"msg":"relay became leader"`
	brokerConnected  = `"msg":"broker connected"`
	connectionLost   = `"msg":"broker connection lost"`
	connectionFailed = `"error":"connect: `
)

// program is a process that is started, killed and started again.
type program struct {
	t    *testing.T
	path string
	env  []string
	cmd  *exec.Cmd
	flow *flow // counts the program's handled events; may be nil
	done sync.WaitGroup

	mu        sync.Mutex
	tail      []string  // last lines of the log, without level INFO
	connected bool      // to its broker
	losses    int       // lost connections to the broker
	leader    time.Time // when its relay acquired the lease; zero: not since its start
}

func newProgram(t *testing.T, path string, flow *flow, env ...string) *program {
	return &program{t: t, path: path, env: env, flow: flow}
}

// start starts the process and waits for its first line on standard output.
func (p *program) start() {
	p.t.Helper()
	p.cmd = exec.Command(p.path)
	p.cmd.Env = append(os.Environ(), p.env...)
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(p.kill)
	p.done.Go(func() { p.read(stderr) })
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		p.kill()
		p.t.Fatalf("%s did not start: %v\n%s", filepath.Base(p.path), err, p.log())
	}
}

const tailLines = 40

// read follows the log: it counts handled events, and records the state of the
// connection and of the lease.
func (p *program) read(log io.Reader) {
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.Contains(line, eventHandled):
			p.flow.add(time.Now())
		case strings.Contains(line, leaseAcquired):
			p.locked(func() { p.leader = time.Now() })
		case strings.Contains(line, brokerConnected):
			p.locked(func() { p.connected = true })
		case strings.Contains(line, `"level":"INFO"`):
		default:
			p.locked(func() { p.keep(line) })
		}
	}
}

func (p *program) keep(line string) {
	p.tail = append(p.tail, line)
	p.tail = p.tail[max(0, len(p.tail)-tailLines):]
	if !strings.Contains(line, connectionLost) {
		return
	}
	p.connected = false
	if !strings.Contains(line, connectionFailed) {
		p.losses++
	}
}

func (p *program) locked(do func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	do()
}

// log returns the last warnings and errors.
func (p *program) log() (text string) {
	p.locked(func() { text = strings.Join(p.tail, "\n") })
	return text
}

// lostConnections returns the number of connections to the broker that broke.
func (p *program) lostConnections() (n int) {
	p.locked(func() { n = p.losses })
	return n
}

func (p *program) isConnected() (connected bool) {
	p.locked(func() { connected = p.connected })
	return connected
}

// leaderSince returns the time at which the program's relay acquired the lease;
// zero: not since the program's start.
func (p *program) leaderSince() (since time.Time) {
	p.locked(func() { since = p.leader })
	return since
}

func (p *program) pid() int { return p.cmd.Process.Pid }

// kill ends the process with SIGKILL.
func (p *program) kill() {
	if p.cmd == nil || p.cmd.ProcessState != nil {
		return
	}
	_ = p.cmd.Process.Kill()
	p.done.Wait()
	_ = p.cmd.Wait()
	p.locked(func() { p.connected, p.leader = false, time.Time{} })
}

// freeze stops all threads of the process; frozen reports when all have stopped.
func (p *program) freeze() { p.signal(syscall.SIGSTOP) }

func (p *program) thaw() { p.signal(syscall.SIGCONT) }

func (p *program) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("%s to %s: %v", s, filepath.Base(p.path), err)
	}
}

// frozen reports whether the kernel shows each thread of the process as stopped.
func (p *program) frozen() bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", p.pid()))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, thread := range threads {
		status, err := os.ReadFile(thread)
		if err != nil || !bytes.Contains(status, []byte("\nState:\tT ")) {
			return false
		}
	}
	return len(threads) > 0
}

// unusedAddress returns an address of this host with a free port.
func unusedAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}
