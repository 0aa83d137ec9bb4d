// Package web is the HTTP server side of every service: it decodes requests,
// responds with JSON and problem documents, checks origins, bounds time and
// sizes, and shuts down gracefully.
//
// Its promise: every response has a shape that the contract describes, and no
// request ends the process.
package web

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"parley.internal/pkg/fault"
)

// Problem is the body of every error response (RFC 9457, application/problem+json).
type Problem struct {
	Type   string        `json:"type"`             // always "about:blank"; Code is more specific
	Title  string        `json:"title"`            // the status in words
	Status int           `json:"status"`           // as in the status line
	Detail string        `json:"detail"`           // for people
	Code   string        `json:"code"`             // stable, for machines
	Errors []fault.Field `json:"errors,omitempty"` // the invalid parts of the request
}

// ErrBusy reports a timeout. The request had no effect, or its response is
// replayed for the same idempotency key.
var ErrBusy = fault.New(fault.Unavailable, "busy", "the service is busy; try again in a moment")

var statuses = map[fault.Kind]int{
	fault.Internal:        http.StatusInternalServerError,
	fault.Invalid:         http.StatusBadRequest,
	fault.Unauthenticated: http.StatusUnauthorized,
	fault.Forbidden:       http.StatusForbidden,
	fault.NotFound:        http.StatusNotFound,
	fault.Conflict:        http.StatusConflict,
	fault.Gone:            http.StatusGone,
	fault.TooLarge:        http.StatusRequestEntityTooLarge,
	fault.Unsupported:     http.StatusUnsupportedMediaType,
	fault.Unprocessable:   http.StatusUnprocessableEntity,
	fault.RateLimited:     http.StatusTooManyRequests,
	fault.Unavailable:     http.StatusServiceUnavailable,
}

// Refuse responds with err as a problem, with the status of its kind. It logs
// internal and transient errors; callers must not log them again.
//
// A timeout, or a request cancelled because the service is stopping, becomes
// ErrBusy. If the client cancelled the request, Refuse neither responds nor logs.
func Refuse(w http.ResponseWriter, r *http.Request, err error) {
	f := fault.Of(err)
	if f.Kind == fault.Internal {
		cancelled := errors.Is(err, context.Canceled) && r.Context().Err() != nil
		stopping := errors.Is(context.Cause(r.Context()), errStopping)
		switch {
		case cancelled && !stopping:
			return
		case cancelled, isTimeout(err):
			f = ErrBusy
		}
	}
	if f.Kind == fault.Internal {
		slog.ErrorContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	if f.Kind == fault.Unavailable {
		slog.WarnContext(r.Context(), "request refused", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	if f.Kind == fault.Unauthenticated {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	writeProblem(w, statuses[f.Kind], Problem{Detail: f.Detail, Code: f.Code, Errors: f.Fields})
}

func isTimeout(err error) bool {
	e, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && e.Timeout()
}

func writeProblem(w http.ResponseWriter, status int, p Problem) {
	p.Type, p.Title, p.Status = "about:blank", http.StatusText(status), status
	write(w, status, "application/problem+json", p)
}

// Reply responds with v as JSON.
func Reply(w http.ResponseWriter, status int, v any) { write(w, status, "application/json", v) }

func write(w http.ResponseWriter, status int, contentType string, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		slog.Error("response not encoded", "error", err)
		status, body = http.StatusInternalServerError, []byte(`{"status":500,"code":"internal"}`)
	}
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // An error means that the client disconnected.
}
