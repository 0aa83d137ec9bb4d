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
	cookieLife = 12 * time.Hour // a session that is not refreshed for so long is over
)

// ErrNoSession says that there is no session to refresh.
var ErrNoSession = fault.New(fault.Unauthenticated, "session-over", "sign in again: there is no session, or it is over")

// cookies make and check the cookie that stands for a session. It is signed
// rather than stored, so that any node can check it; only the sessions that
// were ended before their time are remembered.
type cookies struct {
	key []byte
	db  *database.DB
}

// ticket is what the cookie holds.
type ticket struct {
	jwt.RegisteredClaims // ID is the session's, and stays when the cookie is renewed

	Fingerprint string `json:"pwd"`
}

func newCookies(secret []byte, db *database.DB) cookies {
	// A key of its own: a cookie must never pass for a token, nor a token for one.
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("parley session cookie"))
	return cookies{key: mac.Sum(nil), db: db}
}

// set gives the client a cookie for a session; id is "" for a new one.
func (c cookies) set(w http.ResponseWriter, r *http.Request, who account, id string, now time.Time) error {
	if id == "" {
		id = uuid.NewString()
	}
	value, err := jwt.NewWithClaims(jwt.SigningMethodHS256, ticket{
		RegisteredClaims: jwt.RegisteredClaims{
			ID: id, Subject: who.Login, ExpiresAt: jwt.NewNumericDate(now.Add(cookieLife)),
		},
		Fingerprint: who.fingerprint(),
	}).SignedString(c.key)
	if err != nil {
		return fmt.Errorf("sign a session: %w", err)
	}
	http.SetCookie(w, cookie(r, value, int(cookieLife/time.Second)))
	return nil
}

func cookie(r *http.Request, value string, age int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // On one's own machine there is no TLS to be secure over.
		Name: cookieName, Value: value, Path: cookiePath, MaxAge: age,
		HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
	}
}

// read finds the session that a request's cookie stands for, or ErrNoSession.
func (c cookies) read(r *http.Request) (ticket, error) {
	given, err := r.Cookie(cookieName)
	if err != nil {
		return ticket{}, ErrNoSession
	}
	var t ticket
	_, err = jwt.ParseWithClaims(given.Value, &t, func(*jwt.Token) (any, error) { return c.key, nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithExpirationRequired())
	if err != nil || t.ID == "" {
		return ticket{}, ErrNoSession
	}
	var until int64
	ended, err := database.One(r.Context(), c.db.Reader(),
		"SELECT until FROM ended_session WHERE id = $1", []any{t.ID}, &until)
	if err != nil {
		return ticket{}, fmt.Errorf("look up an ended session: %w", err)
	}
	if ended {
		return ticket{}, ErrNoSession
	}
	return t, nil
}

// end remembers that a session is over, for as long as its cookies would live,
// and forgets those that nobody could use any more.
func (c cookies) end(ctx context.Context, t ticket, now time.Time) error {
	_, err := c.db.Exec(ctx, "INSERT INTO ended_session (id, until) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING",
		t.ID, database.Instant(now.Add(cookieLife)))
	_, errClean := c.db.Exec(ctx, "DELETE FROM ended_session WHERE until < $1", database.Instant(now))
	if err := errors.Join(err, errClean); err != nil {
		return fmt.Errorf("end a session: %w", err)
	}
	return nil
}
