// Package listen serves the handler of a server under test: it prints its
// address, offers profiles, and raises the limit of file descriptors.
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

// Descriptors is the wanted limit: ten thousand sockets and a reserve.
const Descriptors = 32 << 10

// RaiseLimit raises the limit of file descriptors for this process and its
// children, to Descriptors or to the hard limit if that is higher.
func RaiseLimit() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("limit of descriptors: %w", err)
	}
	if limit.Max < Descriptors {
		raised := syscall.Rlimit{Cur: Descriptors, Max: Descriptors}
		if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised) == nil {
			return nil // otherwise the process may not raise the hard limit
		}
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("limit of descriptors: %w", err)
	}
	return nil
}

// Serve serves the handler on an unused port, prints the address as its first
// line, and exits at the end of standard input: so the process never outlives
// its parent.
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
		return fmt.Errorf("read standard input: %w", err)
	}
	if err := server.Close(); err != nil { // the sockets end with the process
		return fmt.Errorf("stop: %w", err)
	}
	if err := group.Wait(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
