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

// build makes the programs that are run and killed.
func build(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	for main, module := range map[string]string{
		"./cmd/policyd": "../../../services/policy", "./cmd/paymentsd": "../../../services/payments", "./broken": ".",
	} {
		out, err := exec.Command("go", "-C", module, "build", "-o", folder+"/", main).CombinedOutput()
		if err != nil {
			t.Fatalf("build the programs: %v\n%s", err, out)
		}
	}
	return folder
}

// program is a process that is started, killed and started again.
type program struct {
	t    *testing.T
	path string
	env  []string
	cmd  *exec.Cmd
	flow *flow // told of each event handled; may be nil
	done sync.WaitGroup

	mu   sync.Mutex
	tail []string  // the end of its log
	up   bool      // what it said last is that it has a connection to its broker
	lost int       // how often it lost one
	led  time.Time // when its relay said that it leads; zero: never since it was started
}

func newProgram(t *testing.T, path string, flow *flow, env ...string) *program {
	return &program{t: t, path: path, env: env, flow: flow}
}

// start returns when the program has said that it is there.
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
		p.t.Fatalf("%s did not start: %v\n%s", filepath.Base(p.path), err, p.end())
	}
}

const tailLines = 40

// read keeps the end of the log, and counts what the fault run asks for.
func (p *program) read(log io.Reader) {
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.Contains(line, `"msg":"event handled"`):
			p.flow.tick(time.Now())
		case strings.Contains(line, `"msg":"relay leads"`):
			p.note(func() { p.led = time.Now() })
		case strings.Contains(line, `"msg":"broker connected"`):
			p.note(func() { p.up = true })
		case strings.Contains(line, `"level":"INFO"`):
		default:
			p.note(func() { p.keep(line) })
		}
	}
}

func (p *program) keep(line string) {
	p.tail = append(p.tail, line)
	p.tail = p.tail[max(0, len(p.tail)-tailLines):]
	if !strings.Contains(line, `"msg":"broker connection lost"`) {
		return
	}
	p.up = false
	if !strings.Contains(line, `"error":"connect: `) { // That would be one that it did not get.
		p.lost++
	}
}

func (p *program) note(what func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	what()
}

// end is the end of its log, but for what went well.
func (p *program) end() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.tail, "\n")
}

// losses is how often it has lost its broker.
func (p *program) losses() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
}

func (p *program) connected() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.up
}

// leads is when its relay began to; zero: it has not since it was started.
func (p *program) leads() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.led
}

func (p *program) pid() int { return p.cmd.Process.Pid }

// kill ends it as a power cut would.
func (p *program) kill() {
	if p.cmd == nil || p.cmd.ProcessState != nil {
		return
	}
	_ = p.cmd.Process.Kill()
	p.done.Wait()
	_ = p.cmd.Wait()
	p.note(func() { p.up, p.led = false, time.Time{} })
}

// freeze stops all its threads; stopped says when they stand still.
func (p *program) freeze() { p.signal(syscall.SIGSTOP) }

func (p *program) thaw() { p.signal(syscall.SIGCONT) }

func (p *program) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("%s to %s: %v", s, filepath.Base(p.path), err)
	}
}

// stopped reports whether the system says of each of its threads that it is
// stopped.
func (p *program) stopped() bool {
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

// address is one that nobody listens on.
func address(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}
