package rest

import (
	"context"
	"fmt"
	"net/http"

	"parley.internal/pkg/event"
	"parley.internal/policy"
)

func (a *API) listPolicies(ctx context.Context, r *request) (*response, error) {
	after, limit, err := r.policyPage()
	if err != nil {
		return nil, err
	}
	policies, err := a.Store.Policies(ctx, r.agent, after, limit+1)
	if err != nil {
		return nil, err
	}
	policies, next := cutPage(policies, limit, func(p *policy.Policy) string {
		return fmt.Sprintf("%d.%s", p.CreatedAt.UnixMicro(), p.Number)
	})
	page := PolicyPage{Items: make([]PolicySummary, len(policies)), Next: next}
	today := policy.DateOf(a.Now())
	for i, p := range policies {
		page.Items[i] = summaryOf(p, p.Current(today))
	}
	return ok(page)
}

func (a *API) getPolicy(ctx context.Context, r *request) (*response, error) {
	number, err := r.pathNumber("number", policy.ErrPolicyUnknown)
	if err != nil {
		return nil, err
	}
	p, err := a.Store.Policy(ctx, r.agent, number)
	if err != nil {
		return nil, err
	}
	return ok(PolicyReply{Policy: detailOf(p, policy.DateOf(a.Now()))})
}

func (a *API) terminatePolicy(ctx context.Context, r *request) (*response, error) {
	var wanted TerminationRequest
	if err := r.decode(&wanted); err != nil {
		return nil, err
	}
	number, err := r.pathNumber("number", policy.ErrPolicyUnknown)
	if err != nil {
		return nil, err
	}
	return a.change(ctx, r, func(tx policy.Tx) (policy.Response, error) {
		var toReturn policy.Money
		err := tx.Terminate(ctx, r.agent, number, func(p *policy.Policy) (events []event.Event, err error) {
			toReturn, events, err = p.Terminate(wanted.TerminationDate)
			return events, err
		})
		if err != nil {
			return policy.Response{}, fmt.Errorf("terminate policy %s: %w", number, err)
		}
		return newResponse(http.StatusOK, "", Termination{PolicyNumber: number, MoneyToReturn: toReturn})
	})
}

func summaryOf(p *policy.Policy, current *policy.Version) PolicySummary {
	return PolicySummary{
		Number:       p.Number,
		DateFrom:     current.Cover.From,
		DateTo:       current.Cover.To,
		PolicyHolder: p.Holder.Name(),
		TotalPremium: current.Total,
		ProductCode:  p.ProductCode,
		Status:       p.Status,
		AgentLogin:   p.AgentLogin,
	}
}

func detailOf(p *policy.Policy, today policy.Date) Policy {
	current := p.Current(today)
	summary := summaryOf(p, current)
	detail := Policy{
		Number:       summary.Number,
		DateFrom:     summary.DateFrom,
		DateTo:       summary.DateTo,
		PolicyHolder: summary.PolicyHolder,
		TotalPremium: summary.TotalPremium,
		ProductCode:  summary.ProductCode,
		Status:       summary.Status,
		AgentLogin:   summary.AgentLogin,
		Covers:       make([]string, len(current.Covers)),
		Versions:     make([]PolicyVersion, len(p.Versions)),
	}
	for i, cover := range current.Covers {
		detail.Covers[i] = cover.Code
	}
	for i, v := range p.Versions {
		detail.Versions[i] = PolicyVersion{
			VersionNumber: v.Number,
			CoverFrom:     v.Cover.From,
			CoverTo:       v.Cover.To,
			ValidFrom:     v.Validity.From,
			ValidTo:       v.Validity.To,
			TotalPremium:  v.Total,
			Covers:        v.Covers,
		}
	}
	return detail
}
