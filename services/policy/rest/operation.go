package rest

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"parley.internal/pkg/auth"
	"parley.internal/pkg/contract"
	"parley.internal/pkg/event"
	"parley.internal/pkg/fault"
	"parley.internal/pkg/web"
	"parley.internal/policy"
)

// operation serves an operation of the contract.
type operation struct {
	*contract.Operation

	handle handler
}

// handler answers a request that fits the contract.
type handler func(ctx context.Context, r *request) (*response, error)

// ServeHTTP implements http.Handler.
func (o operation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	response, err := o.serve(w, r)
	if err != nil {
		web.Refuse(w, r, err)
		return
	}
	response.write(w)
}

// serve checks the agent's roles before the request: an agent without a role
// learns nothing about errors in the request.
func (o operation) serve(w http.ResponseWriter, r *http.Request) (*response, error) {
	who, err := auth.FromContext(r.Context())
	if err != nil {
		return nil, err
	}
	if o.Roles != nil && !who.Has(o.Roles...) {
		return nil, auth.ErrForbidden
	}
	body, err := o.Check(w, r)
	if err != nil {
		return nil, err
	}
	ctx, trace := event.NewTrace(r.Context())
	agent := policy.Agent{Login: who.Login, Admin: who.Has(auth.Admin)}
	return o.handle(ctx, &request{Request: r, agent: agent, body: body, trace: trace})
}

// request is a request that fits the contract.
type request struct {
	*http.Request

	agent policy.Agent
	body  []byte       // nil if the operation takes none
	trace *event.Trace // collects the ids of the request's events
}

// decode decodes the body. A value may fit the contract and not its type, such
// as a day before 1900 or the integer 1.0.
func (r *request) decode(v any) error {
	err := json.Unmarshal(r.body, v)
	if err == nil {
		return nil
	}
	field := fault.Field{Pointer: "#", Detail: err.Error()}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		field = fault.Field{Pointer: "#/" + strings.ReplaceAll(e.Field, ".", "/"), Detail: "must not be the " + e.Value}
	}
	return contract.ErrRequest.With(field.Pointer + " " + field.Detail).At(field)
}

// pathNumber returns a number or code in the path. It returns unknown for a text
// that no number or code can be, so that the database is not asked.
func (r *request) pathNumber(name string, unknown error) (string, error) {
	number := r.PathValue(name)
	if !isNumber(number) {
		return "", unknown
	}
	return number, nil
}

// maxNumber bounds the length of an offer or policy number and a product code.
const maxNumber = 64

func isNumber(text string) bool { return isVisible(text, maxNumber) }

// isVisible reports whether text has 1 to limit visible ASCII characters.
func isVisible(text string, limit int) bool {
	return text != "" && len(text) <= limit && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

// change answers a request that changes data: it runs fn in a transaction, once
// for each idempotency key of a POST, and logs the request with its events.
func (a *API) change(ctx context.Context, r *request, fn func(policy.Tx) (policy.Response, error)) (*response, error) {
	key := policy.IdempotencyKey{AgentLogin: r.agent.Login, Method: r.Method, Path: r.URL.Path, Digest: sha256.Sum256(r.body)}
	if r.Method == http.MethodPost {
		key.Key = r.Header.Get("Idempotency-Key")
	}
	stored, replayed, err := a.Store.Do(ctx, key, fn)
	if err != nil {
		return nil, err
	}
	events := r.trace.IDs()
	slog.InfoContext(ctx, "request", "method", r.Method, "path", r.URL.Path, "status", stored.Status, "events", events)
	return &response{stored, replayed, events}, nil
}

// response is a response to a request, new or replayed.
type response struct {
	policy.Response

	replayed bool
	events   []string // ids of the events that the request caused
}

// ok returns a response with status 200.
func ok(body any) (*response, error) {
	r, err := newResponse(http.StatusOK, "", body)
	return &response{Response: r}, err
}

func newResponse(status int, location string, body any) (policy.Response, error) {
	encoded, err := json.Marshal(body)
	return policy.Response{Status: status, Location: location, Body: encoded}, err
}

func (r *response) write(w http.ResponseWriter) {
	if r.Location != "" {
		w.Header().Set("Location", r.Location)
	}
	if len(r.events) > 0 {
		w.Header().Set("Parley-Events", strings.Join(r.events, ","))
	}
	if r.replayed {
		w.Header().Set("Idempotency-Replayed", "true")
	}
	web.Reply(w, r.Status, json.RawMessage(r.Body))
}
