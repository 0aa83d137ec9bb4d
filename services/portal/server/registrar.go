package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	chat "parley.internal/chat/server"
	"parley.internal/pkg/auth"
)

const (
	registerBatch     = 200 // agents per request, the contract's limit
	registerTokenLife = time.Minute
)

// registrar registers the portal's agents with a chat service in another
// process, so that chat can address agents before their first sign-in.
type registrar struct {
	url    string
	tokens *auth.Secret
	agents []chat.Agent
}

// register is idempotent: chat adds unknown agents.
func (r *registrar) register(ctx context.Context, client *http.Client) error {
	now := time.Now()
	portal := auth.Agent{Login: "parley", Name: "Parley", Roles: []string{auth.Admin}}
	token, err := r.tokens.Issue(portal, now, now.Add(registerTokenLife))
	if err != nil {
		return err
	}
	for batch := range slices.Chunk(r.agents, registerBatch) {
		if err := r.put(ctx, client, token, batch); err != nil {
			return fmt.Errorf("register agents with chat: %w", err)
		}
	}
	slog.InfoContext(ctx, "agents registered with chat", "count", len(r.agents))
	return nil
}

func (r *registrar) put(ctx context.Context, client *http.Client, token string, agents []chat.Agent) error {
	body, err := json.Marshal(map[string][]chat.Agent{"agents": agents})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, r.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusNoContent {
		return fmt.Errorf("chat responded %s", response.Status)
	}
	return nil
}
