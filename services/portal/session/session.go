// Package session signs agents in and out.
//
// Its promise: a token is issued only for a correct password, or for a session
// started with a correct password and not revoked. Responses do not disclose
// whether a login exists.
package session

import (
	"context"
	"embed"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"parley.internal/api"
	"parley.internal/pkg/auth"
	"parley.internal/pkg/contract"
	"parley.internal/pkg/database"
	"parley.internal/pkg/fault"
	"parley.internal/pkg/web"
)

//go:embed migrations
var migrations embed.FS

const (
	tokenLife     = 15 * time.Minute
	signInTimeout = 10 * time.Second // includes the wait for other attempts on the same login
)

var errTooManyAttempts = fault.New(fault.RateLimited, "too-many-attempts",
	"too many failed attempts to sign in as this agent; try again in %d s")

var errForeign = fault.New(fault.Forbidden, "origin-forbidden", "pages of this origin may not use sessions")

// Sessions serves /api/session. It is safe for concurrent use.
type Sessions struct {
	agents   *Agents
	tokens   *auth.Secret
	cookies  cookies
	origins  web.Origins
	contract *contract.Contract
	throttle throttle
}

// New migrates the session tables in db. The secret signs tokens; the key of the
// cookies is derived from it.
func New(
	ctx context.Context, db *database.DB, agents *Agents, secret []byte, origins web.Origins,
) (*Sessions, error) {
	if err := database.Migrate(ctx, db, "session", migrations); err != nil {
		return nil, err
	}
	tokens, err := auth.NewSecret(secret)
	if err != nil {
		return nil, err
	}
	operations, err := contract.Open(api.Files, "openapi/portal.yaml")
	if err != nil {
		return nil, err
	}
	return &Sessions{
		agents: agents, tokens: tokens, cookies: newCookies(secret, db), origins: origins, contract: operations,
		throttle: throttle{logins: make(map[string]*attempts)},
	}, nil
}

// Register adds the routes to mux.
func (s *Sessions) Register(mux *web.Mux) {
	mux.Handle("POST /api/session", s.handler(s.signIn))
	mux.Handle("POST /api/session/refresh", s.handler(s.refresh))
	mux.Handle("DELETE /api/session", s.handler(s.signOut))
}

// handler refuses foreign origins, and requests with a body against the contract.
// SameSite alone does not keep every browser from sending the cookie.
func (s *Sessions) handler(handle func(http.ResponseWriter, *http.Request) error) http.Handler {
	checked := s.contract.Middleware(web.Refuse)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := handle(w, r); err != nil {
			web.Refuse(w, r, err)
		}
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.origins.Allow(r) {
			web.Refuse(w, r, errForeign)
			return
		}
		checked.ServeHTTP(w, r)
	})
}

func (s *Sessions) signIn(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Login    string `json:"login"`
		Password string `json:"password"`
	}
	if err := web.Decode(w, r, &in); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), signInTimeout)
	defer cancel()
	var a account
	lockout, err := s.throttle.try(ctx, in.Login, func() (err error) {
		a, err = s.agents.check(ctx, in.Login, in.Password)
		return err
	})
	if err != nil {
		return err
	}
	if lockout > 0 {
		seconds := int(math.Ceil(lockout.Seconds()))
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		return errTooManyAttempts.With(seconds)
	}
	return s.grant(w, r, a, "")
}

func (s *Sessions) refresh(w http.ResponseWriter, r *http.Request) error {
	session, err := s.cookies.read(r)
	if err != nil {
		return err
	}
	a, known := s.agents.accounts[session.Subject]
	if !known || a.fingerprint() != session.Fingerprint {
		return ErrNoSession
	}
	return s.grant(w, r, a, session.ID)
}

// grant responds with a token and a session cookie; an empty id starts a new
// session. Clients should keep the token in memory only.
func (s *Sessions) grant(w http.ResponseWriter, r *http.Request, a account, id string) error {
	now := time.Now()
	expires := now.Add(tokenLife).Truncate(time.Second).UTC()
	token, err := s.tokens.Issue(a.Agent, now, expires)
	if err != nil {
		return err
	}
	if err := s.cookies.set(w, r, a, id, now); err != nil {
		return err
	}
	web.Reply(w, http.StatusOK, struct {
		Token     string     `json:"token"`
		ExpiresAt time.Time  `json:"expiresAt"`
		Agent     auth.Agent `json:"agent"`
	}{token, expires, a.Agent})
	return nil
}

// signOut revokes the session, if any, and deletes the cookie. A request without
// a session succeeds, too.
func (s *Sessions) signOut(w http.ResponseWriter, r *http.Request) error {
	session, err := s.cookies.read(r)
	if err == nil {
		err = s.cookies.revoke(r.Context(), session, time.Now())
	}
	if err != nil && !errors.Is(err, ErrNoSession) {
		return err
	}
	http.SetCookie(w, cookie(r, "", -1))
	w.WriteHeader(http.StatusNoContent)
	return nil
}
