// Package rest serves chat's REST API, for programs, and for clients after being offline.
package rest

import (
	"context"
	"errors"
	"net/http"
	"time"

	"parley.internal/chat"
	"parley.internal/pkg/fault"
	"parley.internal/pkg/web"
)

// Log reads agents' streams.
type Log interface {
	Since(ctx context.Context, login string, cursor chat.Cursors, limit int) (chat.Page, error)
	SinceTime(ctx context.Context, login string, after time.Time, limit int) (chat.Page, error)
	Streams(ctx context.Context, login string) ([]chat.Stream, error)
	After(ctx context.Context, stream string, sequence int64, limit int) ([]chat.Entry, error)
	Before(ctx context.Context, stream string, sequence int64, limit int) ([]chat.Entry, error)
}

// Agents is the directory of agents.
type Agents interface {
	Agents(ctx context.Context, after string, limit int) ([]chat.Agent, error)
	Introduce(ctx context.Context, profiles []chat.Profile) error
}

// Server implements the operations of the contract.
type Server struct {
	Log    Log
	Agents Agents
	Sender chat.Sender
	// OnlineSince returns when an agent came online, or false.
	OnlineSince func(login string) (at time.Time, online bool)
}

var _ StrictServerInterface = Server{}

// Register adds the routes to mux. Requests must come through auth.Middleware and the
// contract's middleware, where invalid requests are rejected.
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

// noStore keeps responses out of caches: they belong to an agent, and to a moment.
func noStore(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// refuseBody rejects a body within the contract that does not decode into the Go type.
func refuseBody(w http.ResponseWriter, r *http.Request, err error) {
	if fault.Of(err).Kind == fault.Internal {
		err = web.ErrBadBody.With(err.Error())
	}
	web.Refuse(w, r, err)
}

// refuseParameter rejects a number beyond the range of the Go type.
func refuseParameter(w http.ResponseWriter, r *http.Request, err error) {
	name := ""
	if e, ok := errors.AsType[*InvalidParamFormatError](err); ok {
		name = e.ParamName
	}
	web.Refuse(w, r, web.BadQuery(name, "cannot be read"))
}

// The default page sizes. The contract limits the page size.
const (
	defaultItems   = 50
	defaultEntries = 200
)

func limitOr(limit *int, standard int) int {
	if limit == nil {
		return standard
	}
	return *limit
}

// decodeCursor returns the text in a cursor of web.CutPage, "" without a cursor.
func decodeCursor(cursor *string) (string, error) {
	if cursor == nil {
		return "", nil
	}
	return web.DecodeCursor(*cursor)
}
