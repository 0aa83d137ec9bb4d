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
	// errNotRunning is the answer when something is asked of a server that is down.
	errNotRunning = errors.New("it is not running")
	// errPortTaken is when somebody else listens at the server's port.
	errPortTaken = errors.New("its port is taken")
)

// taken is how the servers say that.
var taken = regexp.MustCompile(`(?i)eaddrinuse|address (is )?already in use`)

// process is a server's process and all those that it starts. They are found by
// their working directory: PostgreSQL gives each of its own a group and a session,
// and when their parent was killed nothing else tells whose they were.
type process struct {
	name string // of the server, for messages
	dir  string // its folder, which all of them work in
	path string
	args []string
	env  []string
	user *syscall.Credential // nil: who runs the tests
	stop syscall.Signal      // has it end in good order

	// ready is nil once the server does its work.
	ready func(ctx context.Context) error
	// release gives back what it has outside its folder. May be nil.
	release func()

	pid   int // 0: it is not running
	begun int // in bytes, how long the log was when it was launched
	ports []*port
}

// newPort takes a port that the process keeps as long as its folder.
func (p *process) newPort() (*port, error) {
	free, err := newPort()
	if err == nil {
		p.ports = append(p.ports, free)
	}
	return free, err
}

// start returns when the server is ready.
func (p *process) start() error {
	if p.pid != 0 && !p.exited() {
		return fmt.Errorf("start %s: it is running", p.name)
	}
	if err := p.launch(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	died := false
	err := poll(ctx, func() error {
		if died = p.exited(); died {
			return nil
		}
		return p.ready(ctx)
	})
	switch {
	case died && taken.MatchString(p.tail()):
		err = errPortTaken
	case died:
		err = errors.New("it ended")
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
		return fmt.Errorf("open its log: %w", err)
	}
	defer log.Close() //nolint:errcheck // The server has its own.
	before, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("read its log: %w", err)
	}
	p.begun = int(before)
	cmd := p.command(context.Background(), p.path, p.args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err //nolint:wrapcheck // It names the program.
	}
	p.pid = cmd.Process.Pid
	return cmd.Process.Release()
}

// command is a program that runs as the server does.
func (p *process) command(ctx context.Context, path string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path, args...) //nolint:gosec // The server's.
	cmd.Dir, cmd.Env = p.dir, p.env
	// In a group of its own it does not hear of Ctrl-C at the terminal.
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

// kill ends all its processes at once, and does nothing if there are none.
func (p *process) kill() error {
	return p.until("kill", func() error {
		if ended := p.exited(); ended && len(p.members()) == 0 {
			return nil
		}
		p.signal(syscall.SIGKILL)
		return errors.New("it lives on")
	})
}

// end has it stop in good order.
func (p *process) end() error {
	if p.exited() {
		return fmt.Errorf("stop %s: %w\n%s", p.name, errNotRunning, p.tail())
	}
	if err := syscall.Kill(p.pid, p.stop); err != nil {
		return fmt.Errorf("stop %s: %w", p.name, err)
	}
	err := p.until("stop", func() error {
		if !p.exited() {
			return errors.New("it goes on")
		}
		return nil
	})
	return errors.Join(err, p.kill())
}

// freeze returns when none of its processes can do anything any more. Its
// connections stay open.
func (p *process) freeze() error {
	if p.exited() {
		return fmt.Errorf("freeze %s: %w\n%s", p.name, errNotRunning, p.tail())
	}
	return p.until("freeze", func() error {
		for _, pid := range p.members() {
			if state(pid) != "T" {
				p.signal(syscall.SIGSTOP)
				return errors.New("it moves")
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

func (p *process) until(verb string, done func() error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := poll(ctx, done); err != nil {
		return fmt.Errorf("%s %s: %w after %v\n%s", verb, p.name, err, patience, p.tail())
	}
	return nil
}

func (p *process) signal(s syscall.Signal) {
	for _, pid := range p.members() {
		_ = syscall.Kill(pid, s) // It may have ended meanwhile.
	}
}

// members are its processes. Those that have ended work nowhere.
func (p *process) members() (pids []int) {
	links, _ := filepath.Glob("/proc/[0-9]*/cwd") // The pattern is not malformed.
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

// state is the letter that the system has for what a process does, empty if it
// is no more.
func state(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The name before it stands in parentheses, and may hold any character.
	_, rest, _ := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" "))
	return string(rest[:1])
}

func (p *process) log() string { return p.dir + ".log" }

// said reports whether it has logged a text since it was launched.
func (p *process) said(text string) bool {
	log, err := os.ReadFile(p.log())
	return err == nil && p.begun <= len(log) && strings.Contains(string(log[p.begun:]), text)
}

// tail is the end of the server's log.
func (p *process) tail() string {
	log, err := os.ReadFile(p.log())
	if err != nil {
		return "its log cannot be read: " + err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	lines = lines[max(0, len(lines)-30):]
	return "the end of its log:\n\t" + strings.Join(lines, "\n\t")
}

// discard ends it and removes all that it has.
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
