package rest

import (
	"context"
	"fmt"
	"net/http"

	"github.com/google/uuid"

	"parley.internal/pkg/web"
	"parley.internal/policy"
)

type offerRequest struct {
	ProductCode    *string         `json:"productCode"`
	PolicyFrom     *string         `json:"policyFrom"`
	PolicyTo       *string         `json:"policyTo"`
	SelectedCovers []string        `json:"selectedCovers"`
	Answers        []policy.Answer `json:"answers"`
}

type offerReply struct {
	OfferNumber  string                  `json:"offerNumber"`
	TotalPrice   policy.Money            `json:"totalPrice"`
	CoversPrices map[string]policy.Money `json:"coversPrices"`
}

func (a *API) offer(ctx context.Context, order order) (commit, error) {
	var request offerRequest
	if err := web.Unmarshal(order.body, &request); err != nil {
		return nil, err
	}
	if request.ProductCode == nil {
		return nil, ErrFieldMissing.With("productCode")
	}
	from, err := dateOf("policyFrom", request.PolicyFrom)
	if err != nil {
		return nil, err
	}
	to, err := dateOf("policyTo", request.PolicyTo)
	if err != nil {
		return nil, err
	}
	if !isNumber(*request.ProductCode) {
		return nil, policy.ErrProductUnknown
	}
	product, tariff, err := a.Products.Tariff(ctx, *request.ProductCode)
	if err != nil {
		return nil, err
	}
	offer, err := product.Offer(tariff, policy.Inquiry{
		OfferNumber: newNumber(),
		AgentLogin:  order.viewer.Login,
		Period:      policy.Period{From: from, To: to},
		Covers:      request.SelectedCovers,
		Answers:     request.Answers,
	}, a.Now())
	if err != nil {
		return nil, fmt.Errorf("offer %s: %w", product.Code, err)
	}
	return func(ctx context.Context) (policy.Reply, error) {
		if err := a.Offers.AddOffer(ctx, offer); err != nil {
			return policy.Reply{}, err
		}
		return replyOf(http.StatusCreated, "", offered(offer))
	}, nil
}

func offered(offer *policy.Offer) offerReply {
	prices := make(map[string]policy.Money, len(offer.Covers))
	for _, cover := range offer.Covers {
		prices[cover.Code] = cover.Premium
	}
	return offerReply{OfferNumber: offer.Number, TotalPrice: offer.Total, CoversPrices: prices}
}

// newNumber is random: nobody guesses the number of another's offer or policy.
func newNumber() string { return uuid.NewString() }
