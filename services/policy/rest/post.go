package rest

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"parley.internal/pkg/auth"
	"parley.internal/pkg/event"
	"parley.internal/pkg/fault"
	"parley.internal/pkg/web"
	"parley.internal/policy"
)

// Why a body or a key is refused.
var (
	ErrFieldMissing = fault.New(fault.Invalid, "field-missing", "%s is required.")
	ErrDateInvalid  = fault.New(fault.Invalid, "date-invalid",
		"%s is not a date: want YYYY-MM-DD, from 1900-01-01 to 9999-12-31.")
	ErrKeyInvalid = fault.New(fault.Invalid, "idempotency-key-invalid",
		"Send one Idempotency-Key of 1 to 255 visible ASCII characters, or none.")
)

const maxKey = 255

// order is a request that changes something: who asks, and for what.
type order struct {
	viewer policy.Viewer
	number string // from the path, "" if there is none in it
	body   []byte
}

// commit does what was prepared. It may run in a transaction, and does nothing
// slow.
type commit func(context.Context) (policy.Reply, error)

// post answers an order of an agent who may sell, once for each key.
func (a *API) post(prepare func(context.Context, order) (commit, error)) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		agent, err := auth.Require(r.Context(), auth.Salesman, auth.Admin)
		if err != nil {
			return err
		}
		number := r.PathValue("number")
		if number != "" && !isNumber(number) {
			return policy.ErrPolicyUnknown
		}
		key, err := keyOf(r)
		if err != nil {
			return err
		}
		body, err := web.Body(w, r)
		if err != nil {
			return err
		}
		ctx, trace := event.NewTrace(r.Context())
		reply, replayed, err := a.once(ctx, policy.Request{
			AgentLogin: agent.Login, Method: r.Method, Path: r.URL.Path, Key: key, Digest: sha256.Sum256(body),
		}, func(ctx context.Context) (commit, error) {
			return prepare(ctx, order{viewer: viewerOf(agent), number: number, body: body})
		})
		if err != nil {
			return err
		}
		note(w, r, reply, trace)
		if replayed {
			w.Header().Set("Idempotency-Replayed", "true")
		}
		answer(w, reply)
		return nil
	}
}

// once does what was asked for, or replays the reply of the first time. A
// request without a key is done each time.
func (a *API) once(
	ctx context.Context, r policy.Request, prepare func(context.Context) (commit, error),
) (reply policy.Reply, replayed bool, err error) {
	if r.Key != "" {
		if reply, replayed, err = a.Requests.Recall(ctx, r); err != nil || replayed {
			return reply, replayed, err
		}
	}
	do, err := prepare(ctx)
	if err != nil {
		return policy.Reply{}, false, err
	}
	if r.Key != "" {
		return a.Requests.Once(ctx, r, do)
	}
	reply, err = do(ctx)
	return reply, false, err
}

// eventHeader tells the caller the ids of the events that a request has caused.
const eventHeader = "Parley-Events"

// note names in the log what a request has caused: the first line of each
// event's way.
func note(w http.ResponseWriter, r *http.Request, reply policy.Reply, trace *event.Trace) {
	if ids := trace.IDs(); len(ids) > 0 {
		w.Header().Set(eventHeader, strings.Join(ids, ","))
	}
	slog.InfoContext(r.Context(), "request", "method", r.Method, "path", r.URL.Path, "status", reply.Status,
		"events", trace.IDs())
}

// keyOf is the request's idempotency key, or "".
func keyOf(r *http.Request) (string, error) {
	keys := r.Header.Values("Idempotency-Key")
	if len(keys) == 0 {
		return "", nil
	}
	if len(keys) > 1 || !isVisible(keys[0], maxKey) {
		return "", ErrKeyInvalid
	}
	return keys[0], nil
}

// answer writes a reply, new or replayed: the same bytes.
func answer(w http.ResponseWriter, reply policy.Reply) {
	if reply.Location != "" {
		w.Header().Set("Location", reply.Location)
	}
	web.Reply(w, reply.Status, json.RawMessage(reply.Body))
}

func replyOf(status int, location string, body any) (policy.Reply, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return policy.Reply{}, fmt.Errorf("encode the reply: %w", err)
	}
	return policy.Reply{Status: status, Location: location, Body: text}, nil
}

// dateOf reads a date; it is a string in the body, so that the error can say
// which.
func dateOf(field string, text *string) (policy.Date, error) {
	if text == nil {
		return 0, ErrFieldMissing.With(field)
	}
	date, err := policy.ParseDate(*text)
	if err != nil {
		return 0, ErrDateInvalid.With(field)
	}
	return date, nil
}
