package rest

import (
	"context"
	"fmt"
	"net/http"

	"github.com/google/uuid"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/policy"
)

// MakeOffer implements StrictServerInterface.
func (a *API) MakeOffer(ctx context.Context, request MakeOfferRequestObject) (MakeOfferResponseObject, error) {
	wanted := request.Body
	return a.once(ctx, request.Params.IdempotencyKey, func(ctx context.Context, viewer policy.Viewer) (commit, error) {
		product, tariff, err := a.Products.Tariff(ctx, wanted.ProductCode)
		if err != nil {
			return nil, err
		}
		offer, err := product.Offer(tariff, policy.Inquiry{
			OfferNumber: newNumber(),
			AgentLogin:  viewer.Login,
			Period:      policy.Period{From: wanted.PolicyFrom, To: wanted.PolicyTo},
			Covers:      wanted.SelectedCovers,
			Answers:     wanted.Answers,
		}, a.Now())
		if err != nil {
			return nil, fmt.Errorf("offer %s: %w", product.Code, err)
		}
		return func(ctx context.Context, tx *database.Tx) (policy.Reply, error) {
			if err := a.Offers.AddOffer(ctx, tx, offer); err != nil {
				return policy.Reply{}, err
			}
			return replyOf(http.StatusCreated, "", offered(offer))
		}, nil
	})
}

func offered(offer *policy.Offer) Offer {
	prices := make(map[string]policy.Money, len(offer.Covers))
	for _, cover := range offer.Covers {
		prices[cover.Code] = cover.Premium
	}
	return Offer{OfferNumber: offer.Number, TotalPrice: offer.Total, CoversPrices: prices}
}

// BuyOffer implements StrictServerInterface.
func (a *API) BuyOffer(ctx context.Context, request BuyOfferRequestObject) (BuyOfferResponseObject, error) {
	purchase := request.Body
	if !isNumber(purchase.OfferNumber) {
		return nil, policy.ErrOfferUnknown
	}
	return a.once(ctx, request.Params.IdempotencyKey, func(_ context.Context, viewer policy.Viewer) (commit, error) {
		return func(ctx context.Context, tx *database.Tx) (policy.Reply, error) {
			number := newNumber()
			err := a.Offers.Buy(ctx, tx, viewer, purchase.OfferNumber,
				func(offer *policy.Offer) (*policy.Policy, []event.Event, error) {
					return offer.Buy(number, purchase.PolicyHolder, purchase.PolicyHolderAddress, a.Now())
				})
			if err != nil {
				return policy.Reply{}, fmt.Errorf("buy offer %s: %w", purchase.OfferNumber, err)
			}
			return replyOf(http.StatusCreated, "/api/policies/"+number, Purchase{PolicyNumber: number})
		}, nil
	})
}

// newNumber is random: nobody guesses the number of another's offer or policy.
func newNumber() string { return uuid.NewString() }
