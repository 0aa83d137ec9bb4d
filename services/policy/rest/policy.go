package rest

import (
	"context"
	"fmt"
	"net/http"

	"parley.internal/pkg/event"
	"parley.internal/pkg/web"
	"parley.internal/policy"
)

type buyRequest struct {
	OfferNumber         *string        `json:"offerNumber"`
	PolicyHolder        policy.Holder  `json:"policyHolder"`
	PolicyHolderAddress policy.Address `json:"policyHolderAddress"`
}

type buyReply struct {
	PolicyNumber string `json:"policyNumber"`
}

func (a *API) buy(_ context.Context, order order) (commit, error) {
	var request buyRequest
	if err := web.Unmarshal(order.body, &request); err != nil {
		return nil, err
	}
	if request.OfferNumber == nil {
		return nil, ErrFieldMissing.With("offerNumber")
	}
	if !isNumber(*request.OfferNumber) {
		return nil, policy.ErrOfferUnknown
	}
	return func(ctx context.Context) (policy.Reply, error) {
		number := newNumber()
		err := a.Offers.Buy(ctx, order.viewer, *request.OfferNumber,
			func(offer *policy.Offer) (*policy.Policy, []event.Event, error) {
				return offer.Buy(number, request.PolicyHolder, request.PolicyHolderAddress, a.Now())
			})
		if err != nil {
			return policy.Reply{}, fmt.Errorf("buy offer %s: %w", *request.OfferNumber, err)
		}
		return replyOf(http.StatusCreated, "/api/policies/"+number, buyReply{PolicyNumber: number})
	}, nil
}

type terminationRequest struct {
	TerminationDate *string `json:"terminationDate"`
}

type terminationReply struct {
	PolicyNumber  string       `json:"policyNumber"`
	MoneyToReturn policy.Money `json:"moneyToReturn"`
}

func (a *API) terminate(_ context.Context, order order) (commit, error) {
	var request terminationRequest
	if err := web.Unmarshal(order.body, &request); err != nil {
		return nil, err
	}
	date, err := dateOf("terminationDate", request.TerminationDate)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (policy.Reply, error) {
		var toReturn policy.Money
		err := a.Policies.Terminate(ctx, order.viewer, order.number, func(p *policy.Policy) (events []event.Event, err error) {
			toReturn, events, err = p.Terminate(date)
			return events, err
		})
		if err != nil {
			return policy.Reply{}, fmt.Errorf("terminate policy %s: %w", order.number, err)
		}
		return replyOf(http.StatusOK, "", terminationReply{PolicyNumber: order.number, MoneyToReturn: toReturn})
	}, nil
}

// summary is a policy in a list, as of today's version.
type summary struct {
	Number       string        `json:"number"`
	DateFrom     policy.Date   `json:"dateFrom"`
	DateTo       policy.Date   `json:"dateTo"`
	PolicyHolder string        `json:"policyHolder"`
	TotalPremium policy.Money  `json:"totalPremium"`
	ProductCode  string        `json:"productCode"`
	Status       policy.Status `json:"status"`
	AgentLogin   string        `json:"agentLogin"`
}

type detail struct {
	summary

	Covers   []string  `json:"covers"`
	Versions []version `json:"versions"`
}

type version struct {
	VersionNumber int                   `json:"versionNumber"`
	CoverFrom     policy.Date           `json:"coverFrom"`
	CoverTo       policy.Date           `json:"coverTo"`
	ValidFrom     policy.Date           `json:"validFrom"`
	ValidTo       policy.Date           `json:"validTo"`
	TotalPremium  policy.Money          `json:"totalPremium"`
	Covers        []policy.CoverPremium `json:"covers"`
}

func (a *API) policies(w http.ResponseWriter, r *http.Request) error {
	viewer, err := viewer(r.Context())
	if err != nil {
		return err
	}
	limit, err := web.Limit(r, usualPage, mostItems)
	if err != nil {
		return err
	}
	cursor, err := cursorOf(r)
	if err != nil {
		return err
	}
	after, err := positionOf(cursor)
	if err != nil {
		return err
	}
	policies, err := a.Policies.Policies(r.Context(), viewer, after, limit+1)
	if err != nil {
		return err
	}
	today := policy.DateOf(a.Now())
	web.Reply(w, http.StatusOK, pageOf(policies, limit,
		func(p *policy.Policy) summary { return summaryOf(p, p.Shown(today)) }, cursorOfPolicy))
	return nil
}

func (a *API) policy(w http.ResponseWriter, r *http.Request) error {
	viewer, err := viewer(r.Context())
	if err != nil {
		return err
	}
	number := r.PathValue("number")
	if !isNumber(number) {
		return policy.ErrPolicyUnknown
	}
	p, err := a.Policies.Policy(r.Context(), viewer, number)
	if err != nil {
		return err
	}
	web.Reply(w, http.StatusOK, map[string]detail{"policy": detailOf(p, policy.DateOf(a.Now()))})
	return nil
}

func summaryOf(p *policy.Policy, shown *policy.Version) summary {
	return summary{
		Number:       p.Number,
		DateFrom:     shown.Cover.From,
		DateTo:       shown.Cover.To,
		PolicyHolder: p.Holder.Name(),
		TotalPremium: shown.Total,
		ProductCode:  p.ProductCode,
		Status:       p.Status,
		AgentLogin:   p.AgentLogin,
	}
}

func detailOf(p *policy.Policy, today policy.Date) detail {
	shown := p.Shown(today)
	d := detail{summary: summaryOf(p, shown)}
	for _, cover := range shown.Covers {
		d.Covers = append(d.Covers, cover.Code)
	}
	for _, v := range p.Versions {
		d.Versions = append(d.Versions, version{
			VersionNumber: v.Number,
			CoverFrom:     v.Cover.From,
			CoverTo:       v.Cover.To,
			ValidFrom:     v.Validity.From,
			ValidTo:       v.Validity.To,
			TotalPremium:  v.Total,
			Covers:        v.Covers,
		})
	}
	return d
}
