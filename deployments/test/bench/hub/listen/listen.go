// Package listen is what the servers under test have in common: an address that
// is told to who started them, profiles, and no limit of descriptors in the way.
package listen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// Descriptors is how many a program asks for: ten thousand sockets and some more.
const Descriptors = 32 << 10

// RaiseLimit lets the process, and those that it starts, open as many
// descriptors as the system allows it, up to Descriptors at least.
func RaiseLimit() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("limit of descriptors: %w", err)
	}
	if limit.Max < Descriptors {
		raised := syscall.Rlimit{Cur: Descriptors, Max: Descriptors}
		if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised) == nil {
			return nil // else it is not ours to raise
		}
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("limit of descriptors: %w", err)
	}
	return nil
}

// Serve is the whole program: it serves the handler at a port of its own, says
// where in its first line, and ends with its standard input, which whoever
// started it holds, so that it does not outlive them.
func Serve(handler http.Handler) {
	if err := serve(handler); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(handler http.Handler) error {
	if err := RaiseLimit(); err != nil {
		return err
	}
	var config net.ListenConfig
	listener, err := config.Listen(context.Background(), "tcp4", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	fmt.Fprintln(os.Stdout, listener.Addr())

	mux := http.NewServeMux()
	mux.Handle("/", handler)
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	var group errgroup.Group
	group.Go(func() error { return server.Serve(listener) })
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return fmt.Errorf("wait for the end: %w", err)
	}
	if err := server.Close(); err != nil { // the sockets end with the process
		return fmt.Errorf("stop: %w", err)
	}
	if err := group.Wait(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
