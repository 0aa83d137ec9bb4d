package signalrtest

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

//go:embed client.cjs
var script []byte

// command is what the script is asked to do.
type command struct {
	ID     int    `json:"id"`
	Do     string `json:"do"`
	Target string `json:"target,omitempty"`
	Args   []any  `json:"args"`
	Items  []any  `json:"items,omitempty"`
	Most   int    `json:"most,omitempty"`
	Token  string `json:"token,omitempty"`
}

// answer is what it says.
type answer struct {
	ID     *int            `json:"answer"`
	Result json.RawMessage `json:"result"`
	Event
}

// process is the Node process of one client.
type process struct {
	stdin  io.WriteCloser
	events events
	done   chan struct{} // closed when its output has ended

	mu      sync.Mutex
	last    int
	waiting map[int]chan answer
}

// start runs the script until the test's context ends.
func start(tb testing.TB, p Package, settings any) *process {
	tb.Helper()
	modules := nodeModules(tb, p)
	node, err := exec.LookPath("node")
	if err != nil {
		tb.Fatal("signalrtest: node is not installed: the official clients need Node 20 or later")
	}
	file := filepath.Join(tb.TempDir(), "client.cjs")
	if err := os.WriteFile(file, script, 0o600); err != nil {
		tb.Fatal(err)
	}
	arguments, err := json.Marshal(settings)
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.CommandContext(tb.Context(), node, file, string(arguments))
	cmd.Env = []string{"NODE_PATH=" + modules, "NODE_NO_WARNINGS=1"}
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatalf("start node: %v", err)
	}
	c := &process{stdin: stdin, done: make(chan struct{}), waiting: make(map[int]chan answer)}
	var reading sync.WaitGroup
	reading.Go(func() { c.read(stdout) })
	tb.Cleanup(func() {
		reading.Wait()
		_ = cmd.Wait() // says that the test's context killed it
	})
	return c
}

// nodeModules finds where the clients are installed.
func nodeModules(tb testing.TB, p Package) string {
	tb.Helper()
	root, err := repository()
	if err != nil {
		tb.Fatal(err)
	}
	modules := filepath.Join(root, "frontend", "node_modules")
	if _, err := os.Stat(filepath.Join(modules, string(p), "package.json")); err != nil {
		tb.Fatalf("signalrtest: %s is not installed: run `npm ci` in %s", p, filepath.Join(root, "frontend"))
	}
	return modules
}

// repository is the directory above the test's that holds go.work.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("signalrtest: no go.work above the test's directory")
		}
		dir = up
	}
}

// read hands out what the script says until it ends.
func (p *process) read(stdout io.Reader) {
	defer close(p.done)
	lines := bufio.NewReader(stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var a answer
		if err := json.Unmarshal(line, &a); err != nil {
			a = answer{Event: Event{Kind: Noise, Error: string(line)}}
		}
		if a.ID == nil {
			p.events.add(a.Event)
			continue
		}
		p.mu.Lock()
		waiting := p.waiting[*a.ID]
		delete(p.waiting, *a.ID)
		p.mu.Unlock()
		if waiting != nil {
			waiting <- a // has room for it
		}
	}
}

// ask has the script do something and waits until it is done.
func (p *process) ask(ctx context.Context, c command) (json.RawMessage, error) {
	reply := make(chan answer, 1)
	if err := p.tell(c, reply); err != nil {
		return nil, err
	}
	select {
	case a := <-reply:
		if a.Error != "" {
			return nil, Error(a.Error)
		}
		return a.Result, nil
	case <-p.done:
		return nil, fmt.Errorf("%s %s: the client's process has ended", c.Do, c.Target)
	case <-ctx.Done():
		return nil, fmt.Errorf("%s %s: %w", c.Do, c.Target, ctx.Err())
	}
}

func (p *process) tell(c command, reply chan answer) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	c.ID = p.last
	line, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("%s %s: %w", c.Do, c.Target, err)
	}
	p.waiting[c.ID] = reply
	if _, err := p.stdin.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("%s %s: %w", c.Do, c.Target, err)
	}
	return nil
}
