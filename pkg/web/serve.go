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
	hurryAfter    = 2 * time.Second // of finishing, what Deadline bounds has had its time
	maxHeader     = 32 << 10
)

// Service is something that works while requests are served.
type Service interface {
	// Run works until ctx ends. Nil means a clean stop.
	Run(ctx context.Context) error
	// Drain ends the connections that last: sockets that a handler has taken over,
	// and what clients poll. It returns when they are gone, or ctx has ended;
	// requests are answered meanwhile. It is called once, if at all.
	Drain(ctx context.Context)
}

// Serve serves handler on listener, and runs the services, until ctx ends.
// Then it drains the services, for twelve seconds at most. After that it listens
// no more and lets the requests in hand finish, for ten seconds at most, or two where
// Deadline bounds them. At last it ends the services. A service that fails ends
// everything.
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
	return group.Wait() //nolint:wrapcheck // Each says what it was doing.
}

func serve(ctx context.Context, listener net.Listener, handler http.Handler, services []Service) error {
	hurried, hurry := context.WithCancel(context.Background())
	defer hurry()
	server := &http.Server{
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.Background(), hurriedKey{}, hurried)
		},
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
		defer time.AfterFunc(hurryAfter, hurry).Stop()
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

// hurriedKey is that of a context in the requests' own: it ends when they are to
// wait no longer, for the server stops.
type hurriedKey struct{}

var errStopping = errors.New("the service stops")
