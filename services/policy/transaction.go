package policy

import (
	"context"

	"parley.internal/pkg/event"
)

// Tx is a transaction of the store. Each method stores a change and the events of
// the change. After an error the caller must return the error, to roll back.
type Tx interface {
	// AddOffer stores a new offer.
	AddOffer(ctx context.Context, offer *Offer) error
	// Buy locks an offer, calls buy and stores the policy and the events.
	Buy(ctx context.Context, agent Agent, offerNumber string, buy func(*Offer) (*Policy, []event.Event, error)) error
	// Terminate locks a policy, calls terminate and stores the added version and the
	// events.
	Terminate(ctx context.Context, agent Agent, number string, terminate func(*Policy) ([]event.Event, error)) error
	// Activate locks a product, calls activate and stores the product's status and
	// the events.
	Activate(ctx context.Context, code string, activate func(*Product) ([]event.Event, error)) error
	// ChangeTariff locks a product's tariff, calls change and stores the tariff and
	// the events.
	ChangeTariff(ctx context.Context, productCode string, change func(*Product, *Tariff) ([]event.Event, error)) error
}
