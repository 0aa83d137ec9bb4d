// Package rest is the HTTP side of policy: products, offers and policies, as
// JSON. Its server interface and its types are made from the contract.
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
	"parley.internal/pkg/contract"
	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/web"
	"parley.internal/policy"
)

// Products are the products and their tariffs, as agents see them.
type Products interface {
	Products(ctx context.Context, viewer policy.Viewer, after string, limit int) ([]policy.Product, error)
	Product(ctx context.Context, viewer policy.Viewer, code string) (*policy.Product, error)
	Tariff(ctx context.Context, productCode string) (*policy.Product, policy.Pricer, error)
}

// What changes something takes part in the transaction tx, or has its own if that
// is nil.

// Catalogue is where products and tariffs are changed.
type Catalogue interface {
	Activate(ctx context.Context, tx *database.Tx, code string, activate func(*policy.Product) ([]event.Event, error)) error
	Tariff(ctx context.Context, productCode string) (policy.Tariff, error)
	ChangeTariff(ctx context.Context, tx *database.Tx, productCode string,
		change func(*policy.Product, *policy.Tariff) ([]event.Event, error)) error
}

// Offers is where offers are kept until they are bought.
type Offers interface {
	AddOffer(ctx context.Context, tx *database.Tx, offer *policy.Offer) error
	Buy(ctx context.Context, tx *database.Tx, viewer policy.Viewer, offerNumber string,
		buy func(*policy.Offer) (*policy.Policy, []event.Event, error)) error
}

// Policies is where policies are kept.
type Policies interface {
	Policy(ctx context.Context, viewer policy.Viewer, number string) (*policy.Policy, error)
	Policies(ctx context.Context, viewer policy.Viewer, after policy.Position, limit int) ([]*policy.Policy, error)
	Terminate(ctx context.Context, tx *database.Tx, viewer policy.Viewer, number string,
		terminate func(*policy.Policy) ([]event.Event, error)) error
}

// Requests remembers what was answered to requests with a key.
type Requests interface {
	Recall(ctx context.Context, r policy.Request) (reply policy.Reply, replayed bool, err error)
	Once(ctx context.Context, r policy.Request, do func(context.Context, *database.Tx) (policy.Reply, error)) (
		reply policy.Reply, replayed bool, err error)
}

// API answers requests. All fields are needed.
type API struct {
	Contract  *contract.Contract
	Products  Products
	Catalogue Catalogue
	Compile   policy.Compile
	Offers    Offers
	Policies  Policies
	Requests  Requests
	Now       func() time.Time
}

// Handler serves the API. The agent who asks must be in the request's context.
func (a *API) Handler() http.Handler {
	strict := NewStrictHandlerWithOptions(a, nil, StrictHTTPServerOptions{
		RequestErrorHandlerFunc: malformed, ResponseErrorHandlerFunc: web.Refuse,
	})
	return HandlerWithOptions(strict, StdHTTPServerOptions{
		BaseRouter: &routes{contract: a.Contract.Middleware(web.Refuse)}, ErrorHandlerFunc: malformed,
	})
}

func viewerOf(agent auth.Agent) policy.Viewer {
	return policy.Viewer{Login: agent.Login, SeesAll: agent.Has(auth.Admin)}
}

// viewer is who asks, whatever their roles: what they may see depends on them.
func viewer(ctx context.Context) (policy.Viewer, error) {
	who, err := auth.FromContext(ctx)
	return viewerOf(who.Agent), err
}
