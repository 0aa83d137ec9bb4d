// Package auth authenticates agents. It issues and verifies tokens, and carries
// the authenticated agent in a request's context.
//
// An agent in a context was named by a token signed with this company's key and
// still valid when the request arrived.
package auth

import (
	"context"
	"slices"
	"time"

	"parley.internal/pkg/fault"
)

// The roles of agents.
const (
	Salesman = "SALESMAN"
	Admin    = "ADMIN"
)

// Agent is the subject of a token.
type Agent struct {
	Login  string   `json:"login"`
	Name   string   `json:"name"`   // display name
	Avatar string   `json:"avatar"` // path of a picture
	Roles  []string `json:"roles"`
}

// Has reports whether the agent has any of the roles.
func (a Agent) Has(roles ...string) bool {
	return slices.ContainsFunc(a.Roles, func(r string) bool { return slices.Contains(roles, r) })
}

// Identity is an authenticated agent with the expiry of the token.
type Identity struct {
	Agent

	Expires time.Time
}

// The errors shown to clients.
var (
	ErrNoToken   = fault.New(fault.Unauthenticated, "token-missing", "sign in first: the request carries no token")
	ErrBadToken  = fault.New(fault.Unauthenticated, "token-invalid", "the token is not valid, or no longer")
	ErrForbidden = fault.New(fault.Forbidden, "forbidden", "your roles do not allow this")
)

type identityKey struct{}

// NewContext returns a copy of ctx with an identity.
func NewContext(ctx context.Context, id Identity) context.Context {
	return context.WithValue(ctx, identityKey{}, id)
}

// FromContext returns the identity in ctx, or ErrNoToken.
func FromContext(ctx context.Context) (Identity, error) {
	id, ok := ctx.Value(identityKey{}).(Identity)
	if !ok {
		return Identity{}, ErrNoToken
	}
	return id, nil
}

// Require returns the agent in ctx if the agent has any of the roles, or if no roles
// are given, and otherwise ErrForbidden. It returns ErrNoToken if ctx carries no
// identity.
func Require(ctx context.Context, roles ...string) (Agent, error) {
	id, ok := ctx.Value(identityKey{}).(Identity)
	switch {
	case !ok:
		return Agent{}, ErrNoToken
	case len(roles) > 0 && !id.Has(roles...):
		return Agent{}, ErrForbidden
	}
	return id.Agent, nil
}
