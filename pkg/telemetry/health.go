// Package telemetry serves the operations endpoints of a service: liveness,
// readiness, and Prometheus metrics of its HTTP requests and its collectors.
//
// Its promise: /readyz answers 503 only when the service cannot work, and names
// every other problem in its body.
package telemetry

import (
	"context"
	"encoding/json"
	"net/http"
	"sync/atomic"
	"time"
)

const checkTimeout = 2 * time.Second

// Health serves /healthz (the process is alive) and /readyz (the service can do
// its work). The zero Health is always ready. Set its fields before the first
// request.
type Health struct {
	// Check pings the service's own database; nil: no database.
	Check func(context.Context) error
	// Degraded lists, in words, the parts that do not work while the service
	// still does; nil: none.
	Degraded func() []string

	draining atomic.Bool
}

// Drain makes /readyz answer 503 "draining": the service is about to stop.
func (h *Health) Drain() { h.draining.Store(true) }

// Report is the body of /healthz and /readyz.
type Report struct {
	Status   string   `json:"status"` // alive, ready, unavailable, draining
	Degraded []string `json:"degraded,omitempty"`
	Problem  string   `json:"problem,omitempty"`
}

// Wrap serves /healthz and /readyz, and passes all other requests to next.
func (h *Health) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/healthz":
			respond(w, http.StatusOK, Report{Status: "alive"})
		case "/readyz":
			h.ready(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func (h *Health) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
	defer cancel()
	re := Report{Status: "ready"}
	if h.Degraded != nil {
		re.Degraded = h.Degraded()
	}
	status := http.StatusOK
	switch {
	case h.draining.Load():
		status, re.Status = http.StatusServiceUnavailable, "draining"
	case h.Check != nil:
		if err := h.Check(ctx); err != nil {
			status, re.Status, re.Problem = http.StatusServiceUnavailable, "unavailable", "the database does not answer"
		}
	}
	respond(w, status, re)
}

func respond(w http.ResponseWriter, status int, r Report) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(r) // a write fails only if the client has gone
}
