// Package rest is the HTTP API of the policy service: products, offers and
// policies as JSON. Paths, roles and checks of requests are read from the
// contract; the types of bodies are generated from it.
//
// Every response has a shape of the contract or is a problem that names the
// error. The agent is taken from the token alone. A request with an idempotency
// key takes effect once.
package rest

import (
	"context"
	"net/http"
	"time"

	"parley.internal/pkg/contract"
	"parley.internal/pkg/web"
	"parley.internal/policy"
)

// Products reads the products and tariffs that agents may see.
type Products interface {
	Products(ctx context.Context, agent policy.Agent, after string, limit int) ([]policy.Product, error)
	Product(ctx context.Context, agent policy.Agent, code string) (*policy.Product, error)
	Tariff(ctx context.Context, productCode string) (*policy.Product, policy.Pricer, error)
}

// Store reads policies and tariffs, and stores changes in transactions.
type Store interface {
	Policy(ctx context.Context, agent policy.Agent, number string) (*policy.Policy, error)
	Policies(ctx context.Context, agent policy.Agent, after policy.Cursor, limit int) ([]*policy.Policy, error)
	Tariff(ctx context.Context, productCode string) (policy.Tariff, error)
	// Do runs fn in a transaction, once for each idempotency key. Later calls with
	// the key replay the stored response.
	Do(ctx context.Context, key policy.IdempotencyKey, fn func(policy.Tx) (policy.Response, error)) (
		response policy.Response, replayed bool, err error)
}

// API answers requests. All fields are needed.
type API struct {
	Contract *contract.Contract
	Products Products
	Store    Store
	Compile  policy.Compile
	Now      func() time.Time
}

// Handler serves the operations of the contract. The context of each request
// must hold an agent. Handler panics if an operation has no handler.
func (a *API) Handler() http.Handler {
	handlers := map[string]handler{
		"listProducts": a.listProducts, "getProduct": a.getProduct, "activateProduct": a.activateProduct,
		"getTariff": a.getTariff, "changeTariff": decoded(a.changeTariff),
		"makeOffer": decoded(a.makeOffer), "buyOffer": decoded(a.buyOffer),
		"listPolicies": a.listPolicies, "getPolicy": a.getPolicy, "terminatePolicy": decoded(a.terminatePolicy),
	}
	mux := &web.Mux{}
	for _, o := range a.Contract.Operations {
		if handlers[o.ID] == nil {
			panic("policy: operation " + o.ID + " of the contract has no handler")
		}
		mux.Handle(o.String(), operation{o, handlers[o.ID]})
	}
	return mux
}
