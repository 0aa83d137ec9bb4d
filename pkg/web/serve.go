package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	headerTimeout = 10 * time.Second
	readTimeout   = 30 * time.Second
	writeTimeout  = time.Minute
	idleTimeout   = 2 * time.Minute
	drainTimeout  = 12 * time.Second
	stopTimeout   = 10 * time.Second
	cancelAfter   = 2 * time.Second // from the start of the shutdown until requests are cancelled
	maxHeader     = 32 << 10
)

// Service is background work beside a server.
type Service interface {
	// Run works until ctx ends. A nil error means a clean stop.
	Run(ctx context.Context) error
	// Drain closes long-lived connections: hijacked sockets, event streams and
	// polls. It returns when all are closed or ctx ends; the server still accepts
	// requests meanwhile. Serve calls it at most once.
	Drain(ctx context.Context)
}

// Serve serves handler on listener and runs the services until ctx ends or a
// service fails. Then it shuts down in order: it drains the services for at most
// 12 s, stops listening, waits at most 10 s for running requests, and stops the
// services. The contexts of requests still running after 2 s of waiting are
// cancelled; Refuse answers them with ErrBusy.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler, services ...Service) error {
	group, ctx := errgroup.WithContext(ctx)
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	for _, service := range services {
		group.Go(func() error { return service.Run(working) })
	}
	group.Go(func() error {
		defer stop()
		return serve(ctx, listener, handler, services)
	})
	return group.Wait()
}

var errStopping = errors.New("the service is stopping")

func serve(ctx context.Context, listener net.Listener, handler http.Handler, services []Service) error {
	requests, cancelRequests := context.WithCancelCause(context.Background())
	defer cancelRequests(nil)
	server := &http.Server{
		BaseContext:       func(net.Listener) context.Context { return requests },
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		ctx := context.WithoutCancel(ctx)
		drain(ctx, services)
		defer time.AfterFunc(cancelAfter, func() { cancelRequests(errStopping) }).Stop()
		ctx, cancel := context.WithTimeout(ctx, stopTimeout)
		defer cancel()
		err := server.Shutdown(ctx)
		if err != nil {
			err = errors.Join(err, server.Close())
		}
		stopped <- err
	})
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		if !stop() {
			err = errors.Join(err, <-stopped)
		}
		return fmt.Errorf("serve %s: %w", listener.Addr(), err)
	}
	if err := <-stopped; err != nil {
		return fmt.Errorf("stop serving: %w", err)
	}
	return nil
}

func drain(ctx context.Context, services []Service) {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	var draining sync.WaitGroup
	for _, service := range services {
		draining.Go(func() { service.Drain(ctx) })
	}
	draining.Wait()
}
