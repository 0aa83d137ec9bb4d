package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	chat "parley.internal/chat/server"
	"parley.internal/pkg/auth"
)

const (
	directoryChunk = 200 // agents in a request, as the contract has it
	directoryToken = time.Minute
)

// directory tells a chat service that runs elsewhere which agents there are, so
// that they can be reached before they were ever here.
type directory struct {
	address string
	tokens  *auth.Secret
	agents  []chat.Agent
}

func newDirectory(service string, secret []byte, agents []chat.Agent) (*directory, error) {
	address, err := url.JoinPath(service, "/api/agents")
	if err != nil {
		return nil, fmt.Errorf("where chat knows its agents: %w", err)
	}
	tokens, err := auth.NewSecret(secret)
	if err != nil {
		return nil, err
	}
	return &directory{address: address, tokens: tokens, agents: agents}, nil
}

// tell is done as often as needed: chat adds whom it does not know.
func (d *directory) tell(ctx context.Context, client *http.Client) error {
	now := time.Now()
	token, err := d.tokens.Issue(auth.Agent{Login: "parley", Name: "Parley", Roles: []string{auth.Admin}}, now, now.Add(directoryToken))
	if err != nil {
		return err
	}
	for some := range slices.Chunk(d.agents, directoryChunk) {
		if err := d.put(ctx, client, token, some); err != nil {
			return fmt.Errorf("tell chat of the agents: %w", err)
		}
	}
	slog.InfoContext(ctx, "agents introduced", "count", len(d.agents))
	return nil
}

func (d *directory) put(ctx context.Context, client *http.Client, token string, agents []chat.Agent) error {
	in := map[string][]chat.Agent{"agents": agents}
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, d.address, bytes.NewReader(body))
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
		return fmt.Errorf("it answers %s", response.Status)
	}
	return nil
}
