package rest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"parley.internal/pkg/auth"
	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/web"
	"parley.internal/policy"
)

type identityKey struct{}

// identified has the context know which request it is: its path and the digest
// of its body, which the contract has read.
func identified(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, web.MaxBody))
		if err != nil {
			web.Refuse(w, r, web.ErrBadBody.With("it could not be read to its end"))
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), identityKey{}, policy.Request{
			Method: r.Method, Path: r.URL.Path, Digest: sha256.Sum256(body),
		}))
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

// commit does what was prepared, in a transaction, or in its own if that is nil.
// It does nothing slow.
type commit func(context.Context, *database.Tx) (policy.Reply, error)

// once does what is asked for, once for each key, or replays the reply of the
// first time. A request without a key is done each time.
func (a *API) once(
	ctx context.Context, key *string, prepare func(context.Context, policy.Viewer) (commit, error),
) (answer, error) {
	who, err := auth.FromContext(ctx)
	if err != nil {
		return answer{}, err
	}
	request, _ := ctx.Value(identityKey{}).(policy.Request)
	request.AgentLogin = who.Login
	ctx, trace := event.NewTrace(ctx)
	reply, replayed, err := a.done(ctx, request, key, func(ctx context.Context) (commit, error) {
		return prepare(ctx, viewerOf(who.Agent))
	})
	if err != nil {
		return answer{}, err
	}
	// The first line of each event's way.
	slog.InfoContext(ctx, "request", "method", request.Method, "path", request.Path, "status", reply.Status,
		"events", trace.IDs())
	return answer{Reply: reply, replayed: replayed, events: trace.IDs()}, nil
}

func (a *API) done(
	ctx context.Context, r policy.Request, key *string, prepare func(context.Context) (commit, error),
) (reply policy.Reply, replayed bool, err error) {
	if key != nil {
		r.Key = *key
		if reply, replayed, err = a.Requests.Recall(ctx, r); err != nil || replayed {
			return reply, replayed, err
		}
	}
	do, err := prepare(ctx)
	if err != nil {
		return policy.Reply{}, false, err
	}
	if key != nil {
		return a.Requests.Once(ctx, r, do)
	}
	reply, err = do(ctx, nil)
	return reply, false, err
}

// answer is a reply, new or replayed: the same bytes. It is the response of
// each operation that changes something.
type answer struct {
	policy.Reply

	replayed bool
	events   []string
}

func (a answer) write(w http.ResponseWriter) error {
	for name, value := range map[string]string{
		"Location": a.Location, "Parley-Events": strings.Join(a.events, ","),
	} {
		if value != "" {
			w.Header().Set(name, value)
		}
	}
	if a.replayed {
		w.Header().Set("Idempotency-Replayed", "true")
	}
	web.Reply(w, a.Status, json.RawMessage(a.Body))
	return nil
}

// VisitMakeOfferResponse implements MakeOfferResponseObject.
func (a answer) VisitMakeOfferResponse(w http.ResponseWriter) error { return a.write(w) }

// VisitBuyOfferResponse implements BuyOfferResponseObject.
func (a answer) VisitBuyOfferResponse(w http.ResponseWriter) error { return a.write(w) }

// VisitTerminatePolicyResponse implements TerminatePolicyResponseObject.
func (a answer) VisitTerminatePolicyResponse(w http.ResponseWriter) error { return a.write(w) }

// VisitActivateProductResponse implements ActivateProductResponseObject.
func (a answer) VisitActivateProductResponse(w http.ResponseWriter) error { return a.write(w) }

// VisitChangeTariffResponse implements ChangeTariffResponseObject.
func (a answer) VisitChangeTariffResponse(w http.ResponseWriter) error { return a.write(w) }

func replyOf(status int, location string, body any) (policy.Reply, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return policy.Reply{}, fmt.Errorf("encode the reply: %w", err)
	}
	return policy.Reply{Status: status, Location: location, Body: text}, nil
}
