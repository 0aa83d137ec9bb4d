// Package session signs agents in and out.
//
// Its promise: a token is given only for a password that is right, or for a
// session that was begun with one and not ended; and nobody learns from an
// answer whether a login exists.
package session

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
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
	tokenLife  = 15 * time.Minute
	signInTime = 10 * time.Second // an attempt waits so long for its turn
)

var errForeign = fault.New(fault.Forbidden, "origin-forbidden", "pages of this origin may not use sessions")

// Sessions serve /api/session. They are safe for concurrent use.
type Sessions struct {
	agents   *Agents
	tokens   *auth.Secret
	cookies  cookies
	origins  web.Origins
	contract *contract.Contract
	attempts attempts
}

// New makes the tables of sessions in db. The secret signs the cookies, tokens
// the tokens.
func New(
	ctx context.Context, db *database.DB, agents *Agents, secret []byte, origins web.Origins,
) (*Sessions, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("read migrations of sessions: %w", err)
	}
	if err := database.Migrate(ctx, db, "session", files); err != nil {
		return nil, err
	}
	tokens, err := auth.NewSecret(secret)
	if err != nil {
		return nil, err
	}
	obeyed, err := contract.Open(api.Files, "openapi/portal.yaml")
	if err != nil {
		return nil, err
	}
	return &Sessions{
		agents: agents, tokens: tokens, cookies: newCookies(secret, db), origins: origins, contract: obeyed,
	}, nil
}

// Register adds the routes to mux.
func (s *Sessions) Register(mux *web.Mux) {
	mux.Handle("POST /api/session", s.guard(s.answer(s.signIn)))
	mux.Handle("POST /api/session/refresh", s.guard(s.answer(s.refresh)))
	mux.Handle("DELETE /api/session", s.guard(s.signOut))
}

// guard keeps out foreign pages, and requests that do not fit the contract. A
// browser might send the cookie of who visits such a page in spite of SameSite.
func (s *Sessions) guard(next http.HandlerFunc) http.Handler {
	inside := s.contract.Middleware(web.Refuse)(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.origins.Allow(r) {
			web.Refuse(w, r, errForeign)
			return
		}
		inside.ServeHTTP(w, r)
	})
}

// granted is what a client gets: the token is for its memory, not its storage.
type granted struct {
	Token     string     `json:"token"`
	ExpiresAt time.Time  `json:"expiresAt"`
	Agent     auth.Agent `json:"agent"`
}

func (s *Sessions) answer(
	grant func(http.ResponseWriter, *http.Request) (granted, error),
) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		g, err := grant(w, r)
		if err != nil {
			if e, ok := errors.AsType[slowDownError](err); ok {
				w.Header().Set("Retry-After", strconv.Itoa(int(e.wait/time.Second)))
			}
			web.Refuse(w, r, err)
			return
		}
		web.Reply(w, http.StatusOK, g)
	}
}

func (s *Sessions) signIn(w http.ResponseWriter, r *http.Request) (granted, error) {
	var in struct {
		Login    string `json:"login"`
		Password string `json:"password"`
	}
	if err := web.Decode(w, r, &in); err != nil {
		return granted{}, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), signInTime)
	defer cancel()
	var who account
	err := s.attempts.try(ctx, in.Login, func() (err error) {
		who, err = s.agents.check(ctx, in.Login, in.Password)
		return err
	})
	if err != nil {
		return granted{}, err
	}
	return s.grant(w, r, who, "")
}

func (s *Sessions) refresh(w http.ResponseWriter, r *http.Request) (granted, error) {
	t, err := s.cookies.read(r)
	if err != nil {
		return granted{}, err
	}
	who, known := s.agents.accounts[t.Subject]
	if !known || who.fingerprint() != t.Fingerprint {
		return granted{}, ErrNoSession
	}
	return s.grant(w, r, who, t.ID)
}

func (s *Sessions) grant(w http.ResponseWriter, r *http.Request, who account, session string) (granted, error) {
	now := time.Now()
	expires := now.Add(tokenLife).Truncate(time.Second).UTC()
	token, err := s.tokens.Issue(who.Agent, now, expires)
	if err != nil {
		return granted{}, err
	}
	if err := s.cookies.set(w, r, who, session, now); err != nil {
		return granted{}, err
	}
	return granted{Token: token, ExpiresAt: expires, Agent: who.Agent}, nil
}

// signOut ends the session, if there is one: who is signed out already is told
// the same.
func (s *Sessions) signOut(w http.ResponseWriter, r *http.Request) {
	if err := s.end(r); err != nil {
		web.Refuse(w, r, err)
		return
	}
	http.SetCookie(w, cookie(r, "", -1))
	w.WriteHeader(http.StatusNoContent)
}

func (s *Sessions) end(r *http.Request) error {
	t, err := s.cookies.read(r)
	if errors.Is(err, ErrNoSession) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.cookies.end(r.Context(), t, time.Now())
}
