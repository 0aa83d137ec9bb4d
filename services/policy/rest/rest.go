// Package rest is the HTTP side of policy: products, offers and policies, as
// JSON.
//
// It promises that whatever is sent, the answer is a shape of the contract or a
// problem that says what is wrong; that who acts is taken from the token alone;
// and that a request with an idempotency key takes effect once.
package rest

import (
	"context"
	"net/http"
	"time"

	"parley.internal/pkg/auth"
	"parley.internal/pkg/event"
	"parley.internal/pkg/web"
	"parley.internal/policy"
)

// Products is where products and their tariffs are kept.
type Products interface {
	Products(ctx context.Context, viewer policy.Viewer, after string, limit int) ([]policy.Product, error)
	Product(ctx context.Context, viewer policy.Viewer, code string) (*policy.Product, error)
	Tariff(ctx context.Context, productCode string) (*policy.Product, policy.Pricer, error)
}

// Offers is where offers are kept until they are bought.
type Offers interface {
	AddOffer(ctx context.Context, offer *policy.Offer) error
	Buy(ctx context.Context, viewer policy.Viewer, offerNumber string,
		buy func(*policy.Offer) (*policy.Policy, []event.Event, error)) error
}

// Policies is where policies are kept.
type Policies interface {
	Policy(ctx context.Context, viewer policy.Viewer, number string) (*policy.Policy, error)
	Policies(ctx context.Context, viewer policy.Viewer, after policy.Position, limit int) ([]*policy.Policy, error)
	Terminate(ctx context.Context, viewer policy.Viewer, number string,
		terminate func(*policy.Policy) ([]event.Event, error)) error
}

// Requests remembers what was answered to requests with a key.
type Requests interface {
	Recall(ctx context.Context, r policy.Request) (reply policy.Reply, replayed bool, err error)
	Once(ctx context.Context, r policy.Request, do func(context.Context) (policy.Reply, error)) (
		reply policy.Reply, replayed bool, err error)
}

// API answers requests. All fields are needed.
type API struct {
	Products Products
	Offers   Offers
	Policies Policies
	Requests Requests
	Now      func() time.Time
}

// Handler serves the API. The agent who asks must be in the request's context.
func (a *API) Handler() http.Handler {
	var mux web.Mux
	mux.Handle("GET /api/products", handler(a.products))
	mux.Handle("GET /api/products/{code}", handler(a.product))
	mux.Handle("POST /api/offers", a.post(a.offer))
	mux.Handle("POST /api/policies", a.post(a.buy))
	mux.Handle("GET /api/policies", handler(a.policies))
	mux.Handle("GET /api/policies/{number}", handler(a.policy))
	mux.Handle("POST /api/policies/{number}/termination", a.post(a.terminate))
	return &mux
}

// handler answers a request, or says why not.
type handler func(w http.ResponseWriter, r *http.Request) error

// ServeHTTP implements http.Handler.
func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := h(w, r); err != nil {
		web.Refuse(w, r, err)
	}
}

func viewerOf(agent auth.Agent) policy.Viewer {
	return policy.Viewer{Login: agent.Login, SeesAll: agent.Has(auth.Admin)}
}

// viewer is who asks, whatever their roles: what they may see depends on them.
func viewer(ctx context.Context) (policy.Viewer, error) {
	who, err := auth.FromContext(ctx)
	return viewerOf(who.Agent), err
}
