package testenv

import (
	"errors"
	"testing"
)

// Server controls the process of a private server. A failure fails the test, so
// call the methods from the test's goroutine. The server and its data are removed
// when the test ends.
type Server struct {
	tb      testing.TB
	process *process
}

// newServer discards p when the test ends.
func newServer(tb testing.TB, p *process) *Server {
	tb.Helper()
	tb.Cleanup(func() {
		if err := p.discard(); err != nil {
			tb.Errorf("testenv: %v", err)
		}
	})
	return &Server{tb: tb, process: p}
}

// started prepares and starts a server. If another process takes a port in
// between, started tries again with other ports, three times in all.
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
		retry := attempt < 3 && errors.Is(err, errPortTaken)
		if err := errors.Join(err, s.discard()); !retry {
			return s, err
		}
	}
}

// PID returns the id of the first process, 0 for a stopped server.
func (s *Server) PID() int {
	if s.process.exited() {
		return 0
	}
	return s.process.pid
}

// Start starts the server with the same URL and data as before a stop or a kill,
// and returns when the server is ready.
func (s *Server) Start() { s.tb.Helper(); must(s.tb, s.process.start()) }

// Restart kills a running server, and starts the server.
func (s *Server) Restart() { s.tb.Helper(); s.Kill(); s.Start() }

// Kill sends SIGKILL to all processes and returns when they have ended. It does
// nothing to a stopped server.
func (s *Server) Kill() { s.tb.Helper(); must(s.tb, s.process.kill()) }

// Stop shuts the server down cleanly and waits for the end. A frozen server never
// ends.
func (s *Server) Stop() { s.tb.Helper(); must(s.tb, s.process.end()) }

// Freeze suspends all processes (SIGSTOP). Connections stay open and the kernel
// accepts new connections, but the server does not respond.
func (s *Server) Freeze() { s.tb.Helper(); must(s.tb, s.process.freeze()) }

// Thaw resumes a frozen server.
func (s *Server) Thaw() { s.tb.Helper(); must(s.tb, s.process.thaw()) }

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatalf("testenv: %v", err)
	}
}
