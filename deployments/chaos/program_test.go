package chaos

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// build makes the programs that are run and killed.
func build(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	for module, main := range map[string]string{"../../services/policy": "./cmd/policyd", ".": "./payments"} {
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
	tail []string // the end of its log
	lost int      // how often it lost its broker
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
		case strings.Contains(line, `"level":"INFO"`):
		default:
			p.mu.Lock()
			p.tail = append(p.tail, line)
			p.tail = p.tail[max(0, len(p.tail)-tailLines):]
			if strings.Contains(line, `"msg":"broker connection lost"`) {
				p.lost++
			}
			p.mu.Unlock()
		}
	}
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

func (p *program) pid() int { return p.cmd.Process.Pid }

// kill ends it as a power cut would.
func (p *program) kill() {
	if p.cmd == nil || p.cmd.ProcessState != nil {
		return
	}
	_ = p.cmd.Process.Kill()
	p.done.Wait()
	_ = p.cmd.Wait()
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

// flow is the events that are handled, seen over time.
type flow struct {
	mu      sync.Mutex
	handled int
	last    time.Time
	pauses  []pause
}

// pause is a time in which nothing was handled.
type pause struct{ from, to time.Time }

const worthNoting = 50 * time.Millisecond

func (f *flow) tick(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.handled > 0 && now.Sub(f.last) > worthNoting {
		f.pauses = append(f.pauses, pause{f.last, now})
	}
	f.handled++
	f.last = now
}

func (f *flow) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.handled
}

// stopped is the longest pause that overlaps a time.
func (f *flow) stopped(from, to time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	var longest time.Duration
	for _, p := range f.pauses {
		if p.to.After(from) && p.from.Before(to) {
			longest = max(longest, p.to.Sub(p.from))
		}
	}
	return longest
}

func (f *flow) String() string { return fmt.Sprintf("%d handled", f.count()) }
