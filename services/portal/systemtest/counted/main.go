// Command counted is parley with an HTTP server for its coverage counters. A test builds
// it with -cover, and reads which functions a purchase enters.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/coverage"
	"time"

	"golang.org/x/sync/errgroup"

	"parley.internal/portal/server"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "counted:", err)
		os.Exit(1)
	}
}

// run serves the portal at PARLEY_ADDR and the counters at COUNTERS_ADDR until the
// process is killed.
func run(ctx context.Context) error {
	database := func(name string) string { return "sqlite:" + filepath.Join(os.Getenv("PARLEY_DATA"), name) }
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	slog.SetDefault(log)
	portal, err := server.New(ctx, server.Config{
		PolicyDatabaseURL: database("policy.db"), ChatDatabaseURL: database("chat.db"), DatabaseURL: database("portal.db"),
		Secret: []byte("0123456789abcdef0123456789abcdef"), Log: log,
	})
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", os.Getenv("PARLEY_ADDR"))
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return portal.Run(ctx, listener) })
	control := &http.Server{Addr: os.Getenv("COUNTERS_ADDR"), Handler: counters(), ReadHeaderTimeout: time.Second}
	group.Go(control.ListenAndServe)
	fmt.Fprintln(os.Stdout, "counted is running")
	return group.Wait()
}

// counters serves POST /clear, which resets the counters, and POST /write?folder=F.
func counters() http.Handler {
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, errs ...error) {
		for _, err := range errs {
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
		}
	}
	mux.HandleFunc("POST /clear", func(w http.ResponseWriter, _ *http.Request) { answer(w, coverage.ClearCounters()) })
	mux.HandleFunc("POST /write", func(w http.ResponseWriter, r *http.Request) {
		folder := r.URL.Query().Get("folder")
		answer(w, coverage.WriteMetaDir(folder), coverage.WriteCountersDir(folder))
	})
	return mux
}
