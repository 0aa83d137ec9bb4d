package auth

import (
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// MinSecret is the length in bytes below which a secret is refused: HS256 is
// as strong as its key.
const MinSecret = 32

// Secret signs and verifies tokens with HS256. It is safe for concurrent use.
type Secret struct{ key []byte }

// NewSecret refuses a key shorter than MinSecret bytes.
func NewSecret(key []byte) (*Secret, error) {
	if len(key) < MinSecret {
		return nil, fmt.Errorf("the secret that signs tokens has %d bytes, it needs %d", len(key), MinSecret)
	}
	return &Secret{key: key}, nil
}

type claims struct {
	jwt.RegisteredClaims

	Name   string   `json:"name,omitempty"`
	Avatar string   `json:"avatar,omitempty"`
	Roles  []string `json:"roles"`
	// UserType is what the original's services look at.
	UserType string `json:"userType,omitempty"`
}

// Issue makes a token for an agent.
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
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return token, nil
}

// Verify says who a token names, or ErrBadToken. A token needs a subject and
// an expiry; no algorithm but HS256 is accepted.
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
