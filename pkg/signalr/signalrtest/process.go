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

//go:embed host.cjs
var host []byte

//go:embed drive.cjs
var drive []byte

// command is a request to the script.
type command struct {
	ID       int    `json:"id"`
	Client   int    `json:"client"`
	Do       string `json:"do"`
	Settings any    `json:"settings,omitempty"`
	Target   string `json:"target,omitempty"`
	Args     []any  `json:"args"`
	Items    []any  `json:"items,omitempty"`
	Most     int    `json:"most,omitempty"`
	Token    string `json:"token,omitempty"`
}

// answer is a line of the script's output: the answer to a command, or an event.
type answer struct {
	ID     *int            `json:"answer"`
	Client int             `json:"client"`
	Result json.RawMessage `json:"result"`
	Event
}

// process is a Node process with clients.
type process struct {
	stdin io.WriteCloser
	done  chan struct{} // closed at the end of the output

	mu      sync.Mutex
	last    int
	waiting map[int]chan answer
	clients []*Client
}

// start runs the script until ctx or the script's input ends.
func start(ctx context.Context, tb testing.TB, place, modules string) (p *process, wait func()) {
	tb.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		tb.Fatal("signalrtest: node is not installed: the official clients need Node 20 or later")
	}
	folder := tb.TempDir()
	script := filepath.Join(folder, "host.cjs")
	err = errors.Join(os.WriteFile(script, host, 0o600), os.WriteFile(filepath.Join(folder, "drive.cjs"), drive, 0o600))
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, node, script, place)
	cmd.Env = append(cmd.Environ(), "NODE_PATH="+modules, "NODE_NO_WARNINGS=1")
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
	p = &process{stdin: stdin, done: make(chan struct{}), waiting: make(map[int]chan answer)}
	var reading sync.WaitGroup
	reading.Go(func() { p.read(stdout) })
	return p, func() {
		reading.Wait()
		_ = cmd.Wait() // the error only tells whether the context killed the process
	}
}

// nodeModules returns the folder of installed packages and fails the test if packages are missing.
func nodeModules(tb testing.TB, packages ...string) string {
	tb.Helper()
	root, err := repository()
	if err != nil {
		tb.Fatal(err)
	}
	modules := filepath.Join(root, "frontend", "node_modules")
	for _, name := range packages {
		if _, err := os.Stat(filepath.Join(modules, name, "package.json")); err != nil {
			tb.Fatalf("signalrtest: %s is not installed: run `npm ci` in %s", name, filepath.Join(root, "frontend"))
		}
	}
	return modules
}

// repository returns the directory with go.work, above the directory of the test.
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

// open creates a client.
func (p *process) open(ctx context.Context, settings any) (*Client, error) {
	p.mu.Lock()
	c := &Client{process: p, number: len(p.clients)}
	p.clients = append(p.clients, c)
	p.mu.Unlock()
	_, err := c.ask(ctx, command{Do: "open", Settings: settings})
	return c, err
}

// read distributes the answers and events of the script until the output ends.
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
		p.mu.Lock()
		switch {
		case a.ID != nil:
			if waiting := p.waiting[*a.ID]; waiting != nil {
				waiting <- a // has a buffer for the answer
			}
			delete(p.waiting, *a.ID)
		case a.Client < len(p.clients):
			p.clients[a.Client].events.add(a.Event)
		}
		p.mu.Unlock()
	}
}

// ask sends a command to the script and waits for the answer.
func (p *process) ask(ctx context.Context, c command) (json.RawMessage, error) {
	reply := make(chan answer, 1)
	if err := p.send(c, reply); err != nil {
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

// send writes a command and registers the channel for the answer.
func (p *process) send(c command, reply chan answer) error {
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
