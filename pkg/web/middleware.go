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

// Origins is an allow-list of foreign origins such as "https://portal.example".
// The same origin is always allowed.
type Origins []string

// ParseOrigins parses a comma-separated list of origins. Paths and wildcards are
// errors.
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

// Allow reports whether a request comes from the same origin, an allowed origin,
// or a client without an Origin header. Sockets need it: CORS does not cover them.
func (o Origins) Allow(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || slices.Contains(o, origin) {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, r.Host)
}

// CORS lets pages of the allowed origins call next with credentials.
func (o Origins) CORS(next http.Handler) http.Handler {
	return cors.New(cors.Options{
		// The library takes an empty AllowedOrigins as every origin.
		AllowOriginFunc:  func(origin string) bool { return slices.Contains(o, origin) },
		AllowedMethods:   []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete},
		AllowedHeaders:   []string{"Authorization", "Content-Type", "Idempotency-Key", "X-Requested-With", "X-SignalR-User-Agent"},
		ExposedHeaders:   []string{"Location", "Retry-After", "Idempotency-Replayed"},
		AllowCredentials: true,
		MaxAge:           600,
	}).Handler(next)
}

// requestTimeout bounds a request, including waits for a database.
const requestTimeout = 10 * time.Second

// Deadline bounds each request's context to 10 s. It does not suit sockets, event
// streams or long polls.
func Deadline(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// Secure sets a content security policy and the other security headers of pages.
func Secure(policy string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// Recover recovers a panic of next, logs it and responds with status 500.
func Recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares the same way.
				panic(p)
			}
			slog.ErrorContext(r.Context(), "request panicked", "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
			Refuse(w, r, fault.Of(nil))
		}()
		next.ServeHTTP(w, r)
	})
}

// Mux is a ServeMux that responds to an unknown path or a wrong method with a
// problem.
type Mux struct{ http.ServeMux }

// ServeHTTP implements http.Handler.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	handler, pattern := m.Handler(r)
	if pattern != "" {
		m.ServeMux.ServeHTTP(w, r)
		return
	}
	answer := &recorder{header: http.Header{}}
	handler.ServeHTTP(answer, r)
	if answer.status == http.StatusMethodNotAllowed {
		w.Header()["Allow"] = answer.header["Allow"]
		writeProblem(w, answer.status, Problem{Detail: "this path does not take " + r.Method, Code: "method-not-allowed"})
		return
	}
	Refuse(w, r, ErrNoSuchPath.With(r.URL.Path))
}

// recorder records the status and header of ServeMux's own response.
type recorder struct {
	header http.Header
	status int
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) Write(b []byte) (int, error) { return len(b), nil }
func (r *recorder) WriteHeader(status int)      { r.status = status }
