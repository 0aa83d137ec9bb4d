package rest

import (
	"context"

	"parley.internal/chat"
	"parley.internal/pkg/auth"
	"parley.internal/pkg/web"
)

// ListAgents lists the directory, with presence.
func (s Server) ListAgents(ctx context.Context, r ListAgentsRequestObject) (ListAgentsResponseObject, error) {
	after, err := decodeCursor(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	if after != "" && (chat.Profile{Login: after}).Check() != nil {
		return nil, web.ErrBadCursor
	}
	limit := limitOr(r.Params.Limit, defaultItems)
	agents, err := s.Agents.Agents(ctx, after, limit+1)
	if err != nil {
		return nil, err
	}
	for i := range agents {
		if at, online := s.OnlineSince(agents[i].Login); online {
			agents[i].State, agents[i].At = chat.Online, &at
		}
	}
	items, next := web.CutPage(agents, limit, func(a chat.Agent) string { return a.Login })
	return ListAgents200JSONResponse{Items: items, Next: next}, nil
}

// IntroduceAgents adds agents to the directory, or updates their profiles.
func (s Server) IntroduceAgents(ctx context.Context, r IntroduceAgentsRequestObject) (IntroduceAgentsResponseObject, error) {
	if _, err := auth.Require(ctx, auth.Admin); err != nil {
		return nil, err
	}
	return IntroduceAgents204Response{}, s.Agents.Introduce(ctx, r.Body.Agents)
}
