// Package rest is chat's HTTP side, for programs and for who was away.
package rest

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"time"
	"unicode/utf8"

	"parley.internal/chat"
	"parley.internal/pkg/auth"
	"parley.internal/pkg/fault"
	"parley.internal/pkg/web"
)

// Log is what agents may read.
type Log interface {
	Since(ctx context.Context, login string, cursor chat.Cursors, limit int) (chat.Page, error)
	SinceTime(ctx context.Context, login string, after time.Time, limit int) (chat.Page, error)
	Streams(ctx context.Context, login string) ([]chat.Stream, error)
	After(ctx context.Context, stream string, sequence int64, limit int) ([]chat.Entry, error)
	Before(ctx context.Context, stream string, sequence int64, limit int) ([]chat.Entry, error)
}

// Agents are those whom chat can reach.
type Agents interface {
	Agents(ctx context.Context, after string, limit int) ([]chat.Agent, error)
	Introduce(ctx context.Context, profiles []chat.Profile) error
}

// Server answers what the contract names.
type Server struct {
	Log    Log
	Agents Agents
	Sender chat.Sender
	// OnlineSince returns the time since which an agent is online, or false.
	OnlineSince func(login string) (at time.Time, online bool)
}

var _ StrictServerInterface = Server{}

// Register adds the routes to mux. Requests must come through auth.Middleware
// and the contract's: what does not fit it is refused before it comes here.
func Register(mux *web.Mux, s Server) {
	strict := NewStrictHandlerWithOptions(s, nil, StrictHTTPServerOptions{
		RequestErrorHandlerFunc:  refuseBody,
		ResponseErrorHandlerFunc: web.Refuse,
	})
	HandlerWithOptions(strict, StdHTTPServerOptions{
		BaseRouter:       mux,
		Middlewares:      []MiddlewareFunc{noStore},
		ErrorHandlerFunc: refuseParameter,
	})
}

// noStore keeps answers out of caches: they are this agent's, and of now.
func noStore(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// refuseBody is about what fits the contract and is no value of ours.
func refuseBody(w http.ResponseWriter, r *http.Request, err error) {
	if fault.Of(err).Kind == fault.Internal {
		err = web.ErrBadBody.With(err.Error())
	}
	web.Refuse(w, r, err)
}

// refuseParameter is refuseBody for a number that is beyond ours.
func refuseParameter(w http.ResponseWriter, r *http.Request, err error) {
	name := ""
	if e, ok := errors.AsType[*InvalidParamFormatError](err); ok {
		name = e.ParamName
	}
	web.Refuse(w, r, badQuery(name, "cannot be read"))
}

// The usual sizes of a page; the contract bounds them.
const (
	usualItems   = 50
	usualEntries = 200
)

func limitOr(limit *int, usual int) int {
	if limit == nil {
		return usual
	}
	return *limit
}

// pageOf is what fits of items, of which one more was asked for, and the cursor
// behind it.
func pageOf[T any](items []T, limit int, cursor func(T) string) (page []T, next *string) {
	if len(items) > limit {
		items = items[:limit]
		text := base64.RawURLEncoding.EncodeToString([]byte(cursor(items[limit-1])))
		next = &text
	}
	return append([]T{}, items...), next
}

// inside is what pageOf put into a cursor, "" if there is none.
func inside(cursor *string) (string, error) {
	if cursor == nil {
		return "", nil
	}
	text, err := base64.RawURLEncoding.DecodeString(*cursor)
	if err != nil || len(text) == 0 || !utf8.Valid(text) || bytes.ContainsRune(text, 0) {
		return "", errBadCursor()
	}
	return string(text), nil
}

func errBadCursor() error { return badQuery("cursor", "is not one that was given out here") }

func badQuery(name, what string) error {
	return web.ErrBadQuery.With(name, what).At(fault.Field{Parameter: name, Detail: what})
}

func caller(ctx context.Context) (auth.Agent, error) {
	caller, err := auth.FromContext(ctx)
	return caller.Agent, err
}
