package testenv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

var (
	errNotRunning = errors.New("server is not running")
	errPortTaken  = errors.New("port is in use")
)

// portTaken matches the servers' messages about a port in use.
var portTaken = regexp.MustCompile(`(?i)eaddrinuse|address (is )?already in use`)

// process is a server's process with its descendants. These are found by their
// working directory: each process of PostgreSQL has its own group and session,
// and after a kill of the parent nothing else links the orphans to the server.
type process struct {
	name string // of the server, for error messages
	dir  string // working directory of all processes
	path string
	args []string
	env  []string
	user *syscall.Credential // nil: same user as the tests
	stop syscall.Signal      // signal for a clean shutdown

	// ready returns nil once the server accepts work.
	ready func(ctx context.Context) error
	// release frees resources outside the folder; nil: none.
	release func()

	pid   int // 0: not running
	begun int // size of the log at launch, in bytes
	ports []*port
}

// newPort reserves a port until the process is discarded.
func (p *process) newPort() (*port, error) {
	free, err := newPort()
	if err == nil {
		p.ports = append(p.ports, free)
	}
	return free, err
}

// start launches the server and returns when it is ready.
func (p *process) start() error {
	if p.pid != 0 && !p.exited() {
		return fmt.Errorf("start %s: server is already running", p.name)
	}
	if err := p.launch(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	died := false
	err := poll(ctx, func() error {
		if died = p.exited(); died {
			return nil
		}
		return p.ready(ctx)
	})
	switch {
	case died && portTaken.MatchString(p.tail()):
		err = errPortTaken
	case died:
		err = errors.New("server exited")
	}
	if err != nil {
		err = fmt.Errorf("start %s: %w\n%s", p.name, err, p.tail())
		return errors.Join(err, p.kill())
	}
	return nil
}

func (p *process) launch() error {
	log, err := os.OpenFile(p.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer log.Close() //nolint:errcheck // The server has its own descriptor.
	before, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("seek log: %w", err)
	}
	p.begun = int(before)
	cmd := p.command(context.Background(), p.path, p.args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	p.pid = cmd.Process.Pid
	return cmd.Process.Release()
}

// command runs a program with the server's user, folder and environment.
func (p *process) command(ctx context.Context, path string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path, args...) //nolint:gosec // The path of an installed server.
	cmd.Dir, cmd.Env = p.dir, p.env
	// In its own process group, Ctrl-C at the terminal does not reach the server.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: p.user}
	return cmd
}

// exited reports whether the first process has ended.
func (p *process) exited() bool {
	if p.pid == 0 {
		return true
	}
	pid, err := syscall.Wait4(p.pid, nil, syscall.WNOHANG, nil)
	if pid == 0 || errors.Is(err, syscall.EINTR) {
		return false
	}
	p.pid = 0
	return true
}

// kill sends SIGKILL to all processes until none is left.
func (p *process) kill() error {
	return p.until("kill", func() error {
		if ended := p.exited(); ended && len(p.members()) == 0 {
			return nil
		}
		p.signal(syscall.SIGKILL)
		return errors.New("process is still alive")
	})
}

// end shuts the server down cleanly.
func (p *process) end() error {
	if p.exited() {
		return fmt.Errorf("stop %s: %w\n%s", p.name, errNotRunning, p.tail())
	}
	if err := syscall.Kill(p.pid, p.stop); err != nil {
		return fmt.Errorf("stop %s: %w", p.name, err)
	}
	err := p.until("stop", func() error {
		if !p.exited() {
			return errors.New("server is still running")
		}
		return nil
	})
	return errors.Join(err, p.kill())
}

// freeze returns when all processes are suspended. Connections stay open.
func (p *process) freeze() error {
	if p.exited() {
		return fmt.Errorf("freeze %s: %w\n%s", p.name, errNotRunning, p.tail())
	}
	return p.until("freeze", func() error {
		for _, pid := range p.members() {
			if state(pid) != "T" {
				p.signal(syscall.SIGSTOP)
				return errors.New("process is still running")
			}
		}
		return nil
	})
}

func (p *process) thaw() error {
	if p.exited() {
		return fmt.Errorf("thaw %s: %w\n%s", p.name, errNotRunning, p.tail())
	}
	p.signal(syscall.SIGCONT)
	return nil
}

// until polls done within the timeout.
func (p *process) until(verb string, done func() error) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := poll(ctx, done); err != nil {
		return fmt.Errorf("%s %s: %w after %v\n%s", verb, p.name, err, timeout, p.tail())
	}
	return nil
}

func (p *process) signal(s syscall.Signal) {
	for _, pid := range p.members() {
		_ = syscall.Kill(pid, s) // the process may have ended
	}
}

// members returns the ids of all live processes.
func (p *process) members() (pids []int) {
	links, _ := filepath.Glob("/proc/[0-9]*/cwd") // constant patterns are never malformed
	for _, link := range links {
		dir, err := os.Readlink(link)
		if err != nil || dir != p.dir && !strings.HasPrefix(dir, p.dir+"/") {
			continue
		}
		if pid, err := strconv.Atoi(strings.Split(link, "/")[2]); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// state returns the kernel's letter for the state of a process, "" if it has ended.
func state(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The preceding name stands in parentheses and may hold any character.
	_, rest, _ := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" "))
	return string(rest[:1])
}

func (p *process) log() string { return p.dir + ".log" }

// logged reports whether the log contains a text since the launch.
func (p *process) logged(text string) bool {
	log, err := os.ReadFile(p.log())
	return err == nil && p.begun <= len(log) && strings.Contains(string(log[p.begun:]), text)
}

// tail returns the last 30 lines of the log.
func (p *process) tail() string {
	log, err := os.ReadFile(p.log())
	if err != nil {
		return "cannot read the log: " + err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	lines = lines[max(0, len(lines)-30):]
	return "end of the log:\n\t" + strings.Join(lines, "\n\t")
}

// discard kills the server and removes its files.
func (p *process) discard() error {
	err := p.kill()
	if p.release != nil {
		p.release()
	}
	for _, port := range p.ports {
		port.release()
	}
	return errors.Join(err, os.RemoveAll(p.dir), os.RemoveAll(p.log()))
}
