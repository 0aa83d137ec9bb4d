package rest

import (
	"context"
	"fmt"
	"net/http"

	"github.com/google/uuid"

	"parley.internal/pkg/event"
	"parley.internal/policy"
)

// makeOffer prices an offer before the transaction, because the catalogue may
// have to be loaded. An error of pricing is returned inside, after the
// idempotency key was looked up: a replayed response does not depend on today's
// tariff.
func (a *API) makeOffer(ctx context.Context, r *request, wanted OfferRequest) (reply, error) {
	offer, err := a.price(ctx, r.agent, wanted)
	return a.change(ctx, r, func(ctx context.Context, tx policy.Tx) (reply, error) {
		if err != nil {
			return reply{}, err
		}
		prices := make(map[string]policy.Money, len(offer.Covers))
		for _, cover := range offer.Covers {
			prices[cover.Code] = cover.Premium
		}
		body := Offer{OfferNumber: offer.Number, TotalPrice: offer.Total, CoversPrices: prices}
		return reply{status: http.StatusCreated, body: body}, tx.AddOffer(ctx, offer)
	})
}

func (a *API) price(ctx context.Context, agent policy.Agent, wanted OfferRequest) (*policy.Offer, error) {
	product, tariff, err := a.Products.Tariff(ctx, wanted.ProductCode)
	if err != nil {
		return nil, err
	}
	offer, err := product.Offer(tariff, policy.OfferRequest{
		OfferNumber: newNumber(),
		AgentLogin:  agent.Login,
		Period:      policy.Period{From: wanted.PolicyFrom, To: wanted.PolicyTo},
		Covers:      wanted.SelectedCovers,
		Answers:     wanted.Answers,
	}, a.Now())
	if err != nil {
		return nil, fmt.Errorf("offer %s: %w", product.Code, err)
	}
	return offer, nil
}

func (a *API) buyOffer(ctx context.Context, r *request, purchase PurchaseRequest) (reply, error) {
	if !isNumber(purchase.OfferNumber) {
		return reply{}, policy.ErrOfferUnknown
	}
	return a.change(ctx, r, func(ctx context.Context, tx policy.Tx) (reply, error) {
		number := newNumber()
		err := tx.Buy(ctx, r.agent, purchase.OfferNumber, func(offer *policy.Offer) (*policy.Policy, []event.Event, error) {
			return offer.Buy(number, purchase.PolicyHolder, purchase.PolicyHolderAddress, a.Now())
		})
		if err != nil {
			return reply{}, fmt.Errorf("buy offer %s: %w", purchase.OfferNumber, err)
		}
		return reply{
			status: http.StatusCreated, location: "/api/policies/" + number, body: Purchase{PolicyNumber: number},
		}, nil
	})
}

// newNumber returns a random number, so that agents cannot guess the numbers of
// other agents' offers and policies.
func newNumber() string { return uuid.NewString() }
