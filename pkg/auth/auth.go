// Package auth knows who asks: it issues tokens, verifies them, and carries
// the agent they name in a context.
//
// Its promise: an agent in a context was named by a token that this company
// signed and that had not expired when the request came.
package auth

import (
	"context"
	"slices"
	"time"

	"parley.internal/pkg/fault"
)

// The roles that a token can give.
const (
	Salesman = "SALESMAN"
	Admin    = "ADMIN"
)

// Agent is who a token names.
type Agent struct {
	Login  string   `json:"login"`
	Name   string   `json:"name"`   // for people
	Avatar string   `json:"avatar"` // the path of a picture
	Roles  []string `json:"roles"`
}

// Has reports whether the agent has one of the roles.
func (a Agent) Has(roles ...string) bool {
	return slices.ContainsFunc(a.Roles, func(r string) bool { return slices.Contains(roles, r) })
}

// Identity is an agent, and how long it may be believed.
type Identity struct {
	Agent

	Expires time.Time
}

// The errors of this package that a caller may see.
var (
	ErrNoToken   = fault.New(fault.Unidentified, "token-missing", "sign in first: the request carries no token")
	ErrBadToken  = fault.New(fault.Unidentified, "token-invalid", "the token is not valid, or no longer")
	ErrForbidden = fault.New(fault.Forbidden, "forbidden", "your roles do not allow this")
)

type identityKey struct{}

// NewContext is ctx with who asks in it.
func NewContext(ctx context.Context, who Identity) context.Context {
	return context.WithValue(ctx, identityKey{}, who)
}

// FromContext is who asks, or ErrNoToken.
func FromContext(ctx context.Context) (Identity, error) {
	who, ok := ctx.Value(identityKey{}).(Identity)
	if !ok {
		return Identity{}, ErrNoToken
	}
	return who, nil
}

// Require is the agent who asks, if it has one of the roles: else ErrForbidden,
// or ErrNoToken.
func Require(ctx context.Context, roles ...string) (Agent, error) {
	who, err := FromContext(ctx)
	if err != nil {
		return Agent{}, err
	}
	if !who.Has(roles...) {
		return Agent{}, ErrForbidden
	}
	return who.Agent, nil
}
