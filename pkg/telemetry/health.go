// Package telemetry tells operators how a service is.
//
// Its promise: /readyz says 503 only when the service cannot do its work, and
// whatever else is wrong it says in words.
package telemetry

import (
	"context"
	"encoding/json"
	"net/http"
	"sync/atomic"
	"time"
)

const checkTimeout = 2 * time.Second

// Health answers /healthz, the process is alive, and /readyz, it can do its
// work. The zero Health is always ready. Set its fields before the first
// request.
type Health struct {
	// Check asks the service's own database; nil asks nothing.
	Check func(context.Context) error
	// Degraded says in words what does not work while the service does; nil says
	// nothing.
	Degraded func() []string

	draining atomic.Bool
}

// Drain makes the service not ready: it is about to stop.
func (h *Health) Drain() { h.draining.Store(true) }

type report struct {
	Status   string   `json:"status"` // alive, ready, unavailable, draining
	Degraded []string `json:"degraded,omitempty"`
	Problem  string   `json:"problem,omitempty"`
}

// Wrap answers /healthz and /readyz, and leaves the rest to next.
func (h *Health) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/healthz":
			answer(w, http.StatusOK, report{Status: "alive"})
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
	re := report{Status: "ready"}
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
	answer(w, status, re)
}

func answer(w http.ResponseWriter, status int, r report) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(r) // Who asked and went away needs no answer.
}
