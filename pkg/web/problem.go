// Package web is the HTTP side that every service has: it decodes requests,
// answers problems, checks origins, bounds what it reads, and stops gracefully.
//
// Its promise: whatever is sent to it, the answer is one of the shapes in the
// contract, and the process stays up.
package web

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"parley.internal/pkg/fault"
)

// Problem is the body of every refusal, RFC 9457: application/problem+json.
type Problem struct {
	Type   string  `json:"type"`             // always "about:blank": Code says more
	Title  string  `json:"title"`            // the status in words
	Status int     `json:"status"`           // as in the status line
	Detail string  `json:"detail"`           // for people
	Code   string  `json:"code"`             // stable, for machines
	Errors []Field `json:"errors,omitempty"` // what is wrong with which part of the request
}

// Field is one part of a request and what is wrong with it.
type Field struct {
	Pointer   string `json:"pointer,omitempty"`   // into the body: "#/policyHolder/taxId"
	Parameter string `json:"parameter,omitempty"` // of path, query or header
	Detail    string `json:"detail"`              // for people
}

// ErrBusy says that something took too long. What was asked for was not done,
// or its answer is kept with its key.
var ErrBusy = fault.New(fault.Unavailable, "busy", "the service is busy; try again in a moment")

var statuses = map[fault.Kind]int{ //nolint:gochecknoglobals // A table.
	fault.Internal:      http.StatusInternalServerError,
	fault.Invalid:       http.StatusBadRequest,
	fault.Unidentified:  http.StatusUnauthorized,
	fault.Forbidden:     http.StatusForbidden,
	fault.NotFound:      http.StatusNotFound,
	fault.Conflict:      http.StatusConflict,
	fault.Gone:          http.StatusGone,
	fault.TooLarge:      http.StatusRequestEntityTooLarge,
	fault.Unsupported:   http.StatusUnsupportedMediaType,
	fault.Unprocessable: http.StatusUnprocessableEntity,
	fault.Exhausted:     http.StatusTooManyRequests,
	fault.Unavailable:   http.StatusServiceUnavailable,
}

// Refuse answers err: what the caller may see of it, with the status of its
// kind. What is ours is logged, once, here.
//
// A wait that took too long, for the database or another service, or that a stop
// of this one has cut short, is answered with ErrBusy; a caller who has gone away
// is not answered, nor is it logged.
func Refuse(w http.ResponseWriter, r *http.Request, err error) {
	f := fault.Of(err)
	if f.Kind == fault.Internal {
		if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
			if !errors.Is(context.Cause(r.Context()), errStopping) {
				return
			}
			f = ErrBusy
		}
		if late, ok := errors.AsType[interface {
			error
			Timeout() bool
		}](err); ok && late.Timeout() {
			f = ErrBusy
		}
	}
	status := statuses[f.Kind]
	if f.Kind == fault.Internal {
		slog.ErrorContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	if f.Kind == fault.Unavailable {
		slog.WarnContext(r.Context(), "request refused", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	if f.Kind == fault.Unidentified {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	problem := Problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: f.Detail, Code: f.Code,
	}
	for _, field := range f.Fields {
		problem.Errors = append(problem.Errors, Field(field))
	}
	write(w, status, "application/problem+json", problem)
}

// Reply answers v as JSON.
func Reply(w http.ResponseWriter, status int, v any) { write(w, status, "application/json", v) }

func write(w http.ResponseWriter, status int, contentType string, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		slog.Error("answer not encoded", "error", err)
		status, body = http.StatusInternalServerError, []byte(`{"status":500,"code":"internal"}`)
	}
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // A caller that has gone away needs no answer.
}
