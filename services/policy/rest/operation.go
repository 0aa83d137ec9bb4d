package rest

import (
	"cmp"
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
type handler func(ctx context.Context, r *request) (reply, error)

// request is a request that fits the contract.
type request struct {
	*http.Request

	agent policy.Agent
	body  []byte // nil if the operation takes none
}

// reply is the answer to a request, new or replayed.
type reply struct {
	status   int    // 0 means 200
	location string // "" if there is none
	body     any
	replayed bool
	events   []string // ids of the events that the request caused
}

// ServeHTTP implements http.Handler.
func (o operation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := o.answer(w, r)
	if err != nil {
		web.Refuse(w, r, err)
		return
	}
	if answer.location != "" {
		w.Header().Set("Location", answer.location)
	}
	if len(answer.events) > 0 {
		w.Header().Set("Parley-Events", strings.Join(answer.events, ","))
	}
	if answer.replayed {
		w.Header().Set("Idempotency-Replayed", "true")
	}
	web.Reply(w, cmp.Or(answer.status, http.StatusOK), answer.body)
}

// unknownErrors holds the error for an impossible number or code in a path, by the
// name of the parameter.
var unknownErrors = map[string]error{"code": policy.ErrProductUnknown, "number": policy.ErrPolicyUnknown}

// answer checks the agent's roles before the request: an agent without a role
// learns nothing about errors in the request. An impossible number or code in the
// path is rejected here, without a query.
func (o operation) answer(w http.ResponseWriter, r *http.Request) (reply, error) {
	agent, err := auth.Require(r.Context(), o.Roles...)
	if err != nil {
		return reply{}, err
	}
	body, err := o.Check(w, r)
	if err != nil {
		return reply{}, err
	}
	for name, err := range unknownErrors {
		if text := r.PathValue(name); text != "" && !isNumber(text) {
			return reply{}, err
		}
	}
	return o.handle(r.Context(), &request{
		Request: r, agent: policy.Agent{Login: agent.Login, Admin: agent.Has(auth.Admin)}, body: body,
	})
}

// decoded returns a handler that decodes the body first. A value may fit the contract
// and not its type, such as a day before 1900 or the integer 1.0.
func decoded[Body any](handle func(ctx context.Context, r *request, body Body) (reply, error)) handler {
	return func(ctx context.Context, r *request) (reply, error) {
		var body Body
		err := json.Unmarshal(r.body, &body)
		if err == nil {
			return handle(ctx, r, body)
		}
		field := fault.Field{Pointer: "#", Detail: err.Error()}
		if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			field = fault.Field{Pointer: "#/" + strings.ReplaceAll(e.Field, ".", "/"), Detail: "must not be the " + e.Value}
		}
		return reply{}, contract.ErrRequest.With(field.Pointer + " " + field.Detail).At(field)
	}
}

// maxNumber bounds the length of an offer or policy number and a product code.
const maxNumber = 64

func isNumber(text string) bool { return isVisible(text, maxNumber) }

// isVisible reports whether text has 1 to limit visible ASCII characters.
func isVisible(text string, limit int) bool {
	return text != "" && len(text) <= limit && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

// change answers a request that changes data: it runs fn in a transaction, once
// for each idempotency key of a POST, and logs the request with its events. The
// context of fn collects the ids of the events.
func (a *API) change(ctx context.Context, r *request, fn func(context.Context, policy.Tx) (reply, error)) (reply, error) {
	key := policy.IdempotencyKey{AgentLogin: r.agent.Login, Method: r.Method, Path: r.URL.Path, Digest: sha256.Sum256(r.body)}
	if r.Method == http.MethodPost {
		key.Key = r.Header.Get("Idempotency-Key")
	}
	ctx, trace := event.NewTrace(ctx)
	stored, replayed, err := a.Store.Do(ctx, key, func(tx policy.Tx) (policy.Response, error) {
		answer, err := fn(ctx, tx)
		if err != nil {
			return policy.Response{}, err
		}
		body, err := json.Marshal(answer.body)
		return policy.Response{Status: cmp.Or(answer.status, http.StatusOK), Location: answer.location, Body: body}, err
	})
	if err != nil {
		return reply{}, err
	}
	events := trace.IDs()
	slog.InfoContext(ctx, "request", "method", r.Method, "path", r.URL.Path, "status", stored.Status, "events", events)
	return reply{stored.Status, stored.Location, json.RawMessage(stored.Body), replayed, events}, nil
}
