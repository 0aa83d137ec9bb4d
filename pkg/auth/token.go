package auth

import (
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// MinSecret is the minimum length of a secret in bytes. HS256 is as strong as
// the key.
const MinSecret = 32

// Secret signs and verifies JSON Web Tokens with HS256. It is safe for
// concurrent use.
type Secret struct{ key []byte }

// NewSecret returns a Secret, or an error if key is shorter than MinSecret bytes.
func NewSecret(key []byte) (*Secret, error) {
	if len(key) < MinSecret {
		return nil, fmt.Errorf("AUTH_SECRET must be at least %d bytes, got %d", MinSecret, len(key))
	}
	return &Secret{key: key}, nil
}

type claims struct {
	jwt.RegisteredClaims

	Name   string   `json:"name,omitempty"`
	Avatar string   `json:"avatar,omitempty"`
	Roles  []string `json:"roles"`
	// UserType is the role claim of the original's services.
	UserType string `json:"userType,omitempty"`
}

// Issue signs a token for an agent.
func (s *Secret) Issue(agent Agent, issued, expires time.Time) (string, error) {
	c := claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Subject:   agent.Login,
			IssuedAt:  jwt.NewNumericDate(issued),
			ExpiresAt: jwt.NewNumericDate(expires),
		},
		Name: agent.Name, Avatar: agent.Avatar, Roles: agent.Roles,
	}
	if agent.Has(Salesman) {
		c.UserType = Salesman
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString(s.key)
	if err != nil {
		return "", fmt.Errorf("sign token of %s: %w", agent.Login, err)
	}
	return token, nil
}

// Verify returns the identity in a token, or ErrBadToken. A token needs a
// subject and an expiry; HS256 is the only accepted algorithm.
func (s *Secret) Verify(token string) (Identity, error) {
	var c claims
	_, err := jwt.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return s.key, nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithExpirationRequired())
	if err == nil && c.Subject == "" {
		err = errors.New("no subject")
	}
	if err != nil {
		return Identity{}, fmt.Errorf("%w (%v)", ErrBadToken, err) //nolint:errorlint // The reason is for the log alone.
	}
	return Identity{
		Agent:   Agent{Login: c.Subject, Name: c.Name, Avatar: c.Avatar, Roles: c.Roles},
		Expires: c.ExpiresAt.Time,
	}, nil
}
