package rest

import (
	"context"

	"parley.internal/chat"
	"parley.internal/pkg/auth"
)

// ListAgents lists whom chat can reach, and who is here.
func (s Server) ListAgents(ctx context.Context, r ListAgentsRequestObject) (ListAgentsResponseObject, error) {
	after, err := inside(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	if after != "" && (chat.Profile{Login: after}).Check() != nil {
		return nil, errBadCursor()
	}
	limit := limitOr(r.Params.Limit, usualItems)
	agents, err := s.Agents.Agents(ctx, after, limit+1)
	if err != nil {
		return nil, err
	}
	for i := range agents {
		if at, here := s.OnlineSince(agents[i].Login); here {
			agents[i].State, agents[i].At = chat.Online, &at
		}
	}
	items, next := pageOf(agents, limit, func(a chat.Agent) string { return a.Login })
	return ListAgents200JSONResponse{Items: items, Next: next}, nil
}

// IntroduceAgents makes agents known before they come.
func (s Server) IntroduceAgents(ctx context.Context, r IntroduceAgentsRequestObject) (IntroduceAgentsResponseObject, error) {
	if _, err := auth.Require(ctx, auth.Admin); err != nil {
		return nil, err
	}
	return IntroduceAgents204Response{}, s.Agents.Introduce(ctx, r.Body.Agents)
}
