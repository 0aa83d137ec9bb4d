package session

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"parley.internal/pkg/database"
	"parley.internal/pkg/fault"
)

const (
	cookieName = "parley_session"
	cookiePath = "/api/session"
	cookieLife = 12 * time.Hour // maximum time between two refreshes of a session
)

// ErrNoSession reports a request without a valid session.
var ErrNoSession = fault.New(fault.Unauthenticated, "session-over", "sign in again: there is no session, or it is over")

// cookies issues and verifies session cookies. A cookie is signed rather than
// stored, so every node can verify it; the database holds only revoked sessions.
type cookies struct {
	key []byte
	db  *database.DB
}

// claims are the content of a session cookie.
type claims struct {
	jwt.RegisteredClaims // ID is the session's and survives refreshes

	Fingerprint string `json:"pwd"` // of the password
}

func newCookies(secret []byte, db *database.DB) cookies {
	// A derived key: a cookie must not verify as a token, nor a token as a cookie.
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("parley session cookie"))
	return cookies{key: mac.Sum(nil), db: db}
}

// set sends the client a session cookie; an empty id starts a new session.
func (c cookies) set(w http.ResponseWriter, r *http.Request, a account, id string, now time.Time) error {
	if id == "" {
		id = uuid.NewString()
	}
	value, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			ID: id, Subject: a.Login, ExpiresAt: jwt.NewNumericDate(now.Add(cookieLife)),
		},
		Fingerprint: a.fingerprint(),
	}).SignedString(c.key)
	if err != nil {
		return fmt.Errorf("sign session cookie: %w", err)
	}
	http.SetCookie(w, cookie(r, value, int(cookieLife/time.Second)))
	return nil
}

func cookie(r *http.Request, value string, maxAge int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // Secure needs TLS, and there is none on localhost.
		Name: cookieName, Value: value, Path: cookiePath, MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
	}
}

// read verifies a request's session cookie, or returns ErrNoSession.
func (c cookies) read(r *http.Request) (claims, error) {
	sent, err := r.Cookie(cookieName)
	if err != nil {
		return claims{}, ErrNoSession
	}
	var session claims
	_, err = jwt.ParseWithClaims(sent.Value, &session, func(*jwt.Token) (any, error) { return c.key, nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithExpirationRequired())
	if err != nil || session.ID == "" {
		return claims{}, ErrNoSession
	}
	var until int64
	revoked, err := database.One(r.Context(), c.db.Reader(),
		"SELECT until FROM ended_session WHERE id = $1", []any{session.ID}, &until)
	if err != nil {
		return claims{}, fmt.Errorf("look up revoked session: %w", err)
	}
	if revoked {
		return claims{}, ErrNoSession
	}
	return session, nil
}

// revoke ends a session on every node. The row lives as long as a cookie of the
// session could; revoke also deletes expired rows.
func (c cookies) revoke(ctx context.Context, session claims, now time.Time) error {
	_, err := c.db.Exec(ctx, "INSERT INTO ended_session (id, until) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING",
		session.ID, database.Instant(now.Add(cookieLife)))
	_, errCleanup := c.db.Exec(ctx, "DELETE FROM ended_session WHERE until < $1", database.Instant(now))
	if err := errors.Join(err, errCleanup); err != nil {
		return fmt.Errorf("revoke session: %w", err)
	}
	return nil
}
