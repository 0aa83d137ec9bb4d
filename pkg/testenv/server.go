package testenv

import (
	"errors"
	"testing"
)

// Server is what can be done to each server that a test has to itself. What does
// not succeed fails the test, so it belongs on the test's goroutine. The server
// is gone, with its data, when the test has ended.
type Server struct {
	tb      testing.TB
	process *process
}

// newServer gives a process to a test.
func newServer(tb testing.TB, p *process) *Server {
	tb.Helper()
	tb.Cleanup(func() {
		if err := p.discard(); err != nil {
			tb.Errorf("testenv: %v", err)
		}
	})
	return &Server{tb: tb, process: p}
}

// started prepares a server and starts it. If somebody takes one of its ports in
// between, that is done again with others.
func started[S interface {
	start() error
	discard() error
}](prepare func() (S, error)) (S, error) {
	for attempt := 1; ; attempt++ {
		s, err := prepare()
		if err != nil {
			return s, err
		}
		if err = s.start(); err == nil {
			return s, nil
		}
		again := attempt < 3 && errors.Is(err, errPortTaken)
		if err := errors.Join(err, s.discard()); !again {
			return s, err
		}
	}
}

// PID is its first process, 0 if it is not running.
func (s *Server) PID() int {
	if s.process.exited() {
		return 0
	}
	return s.process.pid
}

// Start starts it at its URL with the data that it had when it ended, however it
// ended, and returns when it serves.
func (s *Server) Start() { s.tb.Helper(); must(s.tb, s.process.start()) }

// Restart kills it, if it is running, and starts it.
func (s *Server) Restart() { s.tb.Helper(); s.Kill(); s.Start() }

// Kill ends it and all its processes at once, as kill -9 does, and returns when
// they are gone. It does nothing to a server that is not running.
func (s *Server) Kill() { s.tb.Helper(); must(s.tb, s.process.kill()) }

// Stop has it end in good order and returns when it has, which a frozen server
// never does.
func (s *Server) Stop() { s.tb.Helper(); must(s.tb, s.process.end()) }

// Freeze has it do nothing any more. Its connections stay open, and the system
// accepts new ones in its name, but nobody answers.
func (s *Server) Freeze() { s.tb.Helper(); must(s.tb, s.process.freeze()) }

// Thaw lets a frozen server go on.
func (s *Server) Thaw() { s.tb.Helper(); must(s.tb, s.process.thaw()) }

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatalf("testenv: %v", err)
	}
}
