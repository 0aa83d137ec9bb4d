package rest

import (
	"context"
	"fmt"

	"parley.internal/pkg/event"
	"parley.internal/pkg/web"
	"parley.internal/policy"
)

func (a *API) listPolicies(ctx context.Context, r *request) (reply, error) {
	after, limit, err := r.policyPage()
	if err != nil {
		return reply{}, err
	}
	policies, err := a.Store.Policies(ctx, r.agent, after, limit+1)
	if err != nil {
		return reply{}, err
	}
	policies, next := web.CutPage(policies, limit, func(p *policy.Policy) string {
		return fmt.Sprintf("%d.%s", p.CreatedAt.UnixMicro(), p.Number)
	})
	page := PolicyPage{Items: make([]PolicySummary, len(policies)), Next: next}
	for i, p := range policies {
		page.Items[i] = summaryOf(p, p.Current(policy.DateOf(a.Now())))
	}
	return reply{body: page}, nil
}

func (a *API) getPolicy(ctx context.Context, r *request) (reply, error) {
	p, err := a.Store.Policy(ctx, r.agent, r.PathValue("number"))
	if err != nil {
		return reply{}, err
	}
	return reply{body: PolicyReply{Policy: detailOf(p, policy.DateOf(a.Now()))}}, nil
}

func (a *API) terminatePolicy(ctx context.Context, r *request, wanted TerminationRequest) (reply, error) {
	number := r.PathValue("number")
	return a.change(ctx, r, func(ctx context.Context, tx policy.Tx) (reply, error) {
		var toReturn policy.Money
		err := tx.Terminate(ctx, r.agent, number, func(p *policy.Policy) (events []event.Event, err error) {
			toReturn, events, err = p.Terminate(wanted.TerminationDate)
			return events, err
		})
		if err != nil {
			return reply{}, fmt.Errorf("terminate policy %s: %w", number, err)
		}
		return reply{body: Termination{PolicyNumber: number, MoneyToReturn: toReturn}}, nil
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
