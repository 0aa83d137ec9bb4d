// Package payments keeps an account for each policy: opened when the policy is
// sold, closed when the policy ends.
//
// Payments is the worked example of another service of the company, as small as a
// consumer of Parley's events can be. The fault run counts the movements, because
// a movement booked twice stays booked twice.
package payments

import (
	"context"

	"parley.internal/pkg/event"
)

// Movement changes the balance of a policy's account.
type Movement struct {
	PolicyNumber string
	Kind         string // Opened or Closed
	Amount       Amount // added to the policy holder's debt; negative: returned
	EventID      string // the event behind the movement
}

// The kinds of movements.
const (
	Opened = "opened"
	Closed = "closed"
)

// Handle registers the handlers of all events that payments consumes. Each
// handler books one movement in the inbox's transaction, a T: the movement and
// the inbox's record of the event commit together.
func Handle[T any](r *event.Router[T], book func(context.Context, T, Movement) error) {
	event.Handle(r, func(ctx context.Context, tx T, m event.Message, e PolicyCreated) error {
		return book(ctx, tx, Movement{e.PolicyNumber, Opened, e.TotalPremium, m.ID})
	})
	event.Handle(r, func(ctx context.Context, tx T, m event.Message, e PolicyTerminated) error {
		return book(ctx, tx, Movement{e.PolicyNumber, Closed, -e.AmountToReturn, m.ID})
	})
}
