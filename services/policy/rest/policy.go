package rest

import (
	"context"
	"fmt"
	"net/http"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/policy"
)

// ListPolicies implements StrictServerInterface.
func (a *API) ListPolicies(ctx context.Context, request ListPoliciesRequestObject) (ListPoliciesResponseObject, error) {
	viewer, err := viewer(ctx)
	if err != nil {
		return nil, err
	}
	after, err := positionOf(request.Params.Cursor)
	if err != nil {
		return nil, err
	}
	limit := limitOf(request.Params.Limit)
	policies, err := a.Policies.Policies(ctx, viewer, after, limit+1)
	if err != nil {
		return nil, err
	}
	policies, next := cut(policies, limit, cursorOfPolicy)
	page := PolicyPage{Items: make([]PolicySummary, len(policies)), Next: next}
	today := policy.DateOf(a.Now())
	for i, p := range policies {
		page.Items[i] = summaryOf(p, p.Shown(today))
	}
	return ListPolicies200JSONResponse(page), nil
}

// GetPolicy implements StrictServerInterface.
func (a *API) GetPolicy(ctx context.Context, request GetPolicyRequestObject) (GetPolicyResponseObject, error) {
	viewer, err := viewer(ctx)
	if err != nil {
		return nil, err
	}
	if !isNumber(request.Number) {
		return nil, policy.ErrPolicyUnknown
	}
	p, err := a.Policies.Policy(ctx, viewer, request.Number)
	if err != nil {
		return nil, err
	}
	return GetPolicy200JSONResponse{Policy: detailOf(p, policy.DateOf(a.Now()))}, nil
}

// TerminatePolicy implements StrictServerInterface.
func (a *API) TerminatePolicy(
	ctx context.Context, request TerminatePolicyRequestObject,
) (TerminatePolicyResponseObject, error) {
	number := request.Number
	if !isNumber(number) {
		return nil, policy.ErrPolicyUnknown
	}
	return a.once(ctx, request.Params.IdempotencyKey, func(_ context.Context, viewer policy.Viewer) (commit, error) {
		return func(ctx context.Context, tx *database.Tx) (policy.Reply, error) {
			var toReturn policy.Money
			err := a.Policies.Terminate(ctx, tx, viewer, number, func(p *policy.Policy) (events []event.Event, err error) {
				toReturn, events, err = p.Terminate(request.Body.TerminationDate)
				return events, err
			})
			if err != nil {
				return policy.Reply{}, fmt.Errorf("terminate policy %s: %w", number, err)
			}
			return replyOf(http.StatusOK, "", Termination{PolicyNumber: number, MoneyToReturn: toReturn})
		}, nil
	})
}

func summaryOf(p *policy.Policy, shown *policy.Version) PolicySummary {
	return PolicySummary{
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

func detailOf(p *policy.Policy, today policy.Date) Policy {
	shown := p.Shown(today)
	summary := summaryOf(p, shown)
	detail := Policy{
		Number:       summary.Number,
		DateFrom:     summary.DateFrom,
		DateTo:       summary.DateTo,
		PolicyHolder: summary.PolicyHolder,
		TotalPremium: summary.TotalPremium,
		ProductCode:  summary.ProductCode,
		Status:       summary.Status,
		AgentLogin:   summary.AgentLogin,
		Covers:       make([]string, len(shown.Covers)),
		Versions:     make([]PolicyVersion, len(p.Versions)),
	}
	for i, cover := range shown.Covers {
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
