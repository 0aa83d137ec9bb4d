package web

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/rs/cors"

	"parley.internal/pkg/fault"
)

// Origins is an allow-list of foreign origins: "https://portal.example".
// A page's own origin is always allowed. A wildcard is none.
type Origins []string

// ParseOrigins reads a comma-separated list, and refuses what is no origin.
func ParseOrigins(list string) (Origins, error) {
	var origins Origins
	for origin := range strings.SplitSeq(list, ",") {
		origin = strings.TrimSpace(origin)
		if origin == "" {
			continue
		}
		u, err := url.Parse(origin)
		if err != nil || u.Scheme == "" || u.Host == "" || origin != u.Scheme+"://"+u.Host || strings.Contains(origin, "*") {
			return nil, fault.New(fault.Invalid, "origin-invalid",
				"allowed origin %q: write scheme://host[:port], without a path or a wildcard").With(origin)
		}
		origins = append(origins, origin)
	}
	return origins, nil
}

// Allow reports whether a request comes from its own origin, an allowed one,
// or no page at all. It is for sockets, which CORS does not cover.
func (o Origins) Allow(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || slices.Contains(o, origin) {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, r.Host)
}

// CORS lets pages of the allowed origins call next, with credentials.
func (o Origins) CORS(next http.Handler) http.Handler {
	return cors.New(cors.Options{
		// An empty list would mean every origin to the library.
		AllowOriginFunc:  func(origin string) bool { return slices.Contains(o, origin) },
		AllowedMethods:   []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete},
		AllowedHeaders:   []string{"Authorization", "Content-Type", "Idempotency-Key", "X-Requested-With", "X-SignalR-User-Agent"},
		ExposedHeaders:   []string{"Location", "Retry-After", "Idempotency-Replayed"},
		AllowCredentials: true,
		MaxAge:           600,
	}).Handler(next)
}

// requestTimeout is how long a request may take, the waits for a database
// included.
const requestTimeout = 10 * time.Second

// Deadline gives each request's context an end, so that nothing waits for ever
// on behalf of one; it comes sooner when Serve is to stop. It is not for sockets.
func Deadline(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, hurry := context.WithCancelCause(r.Context())
		defer hurry(nil)
		if hurried, served := ctx.Value(hurriedKey{}).(context.Context); served {
			defer context.AfterFunc(hurried, func() { hurry(errStopping) })()
		}
		ctx, cancel := context.WithTimeout(ctx, requestTimeout)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// Recover answers a panic of next with a 500, and logs it.
func Recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint,err113 // net/http compares it so.
				panic(p)
			}
			slog.ErrorContext(r.Context(), "request panicked", "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
			Refuse(w, r, fault.Of(nil))
		}()
		next.ServeHTTP(w, r)
	})
}

// Mux is a ServeMux whose own refusals, an unknown path and a wrong method,
// are problems like all others.
type Mux struct{ http.ServeMux }

// ServeHTTP implements http.Handler.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	handler, pattern := m.Handler(r)
	if pattern != "" {
		m.ServeMux.ServeHTTP(w, r)
		return
	}
	probe := &probe{header: http.Header{}}
	handler.ServeHTTP(probe, r)
	if probe.status == http.StatusMethodNotAllowed {
		w.Header()["Allow"] = probe.header["Allow"]
		write(w, probe.status, "application/problem+json", Problem{
			Type: "about:blank", Title: http.StatusText(probe.status), Status: probe.status,
			Detail: "this path does not take " + r.Method, Code: "method-not-allowed",
		})
		return
	}
	Refuse(w, r, ErrNoSuchPath.With(r.URL.Path))
}

// probe learns what ServeMux would have answered.
type probe struct {
	header http.Header
	status int
}

func (p *probe) Header() http.Header         { return p.header }
func (p *probe) Write(b []byte) (int, error) { return len(b), nil }
func (p *probe) WriteHeader(status int)      { p.status = status }
