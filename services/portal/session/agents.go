package session

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"parley.internal/pkg/auth"
	"parley.internal/pkg/fault"
)

// demoAgents are the agents for a trial: jimmy.solid, danny.solid and admin. The
// README lists their passwords.
//
//go:embed demo-agents.json
var demoAgents []byte

// The errors of a sign-in.
var (
	ErrWrongCredentials = fault.New(fault.Unauthenticated, "credentials-wrong", "the login or the password is wrong")
	ErrBusy             = fault.New(fault.Unavailable, "busy", "too many people sign in just now; try again")
)

// Agents holds the accounts of an agents file. It is safe for concurrent use.
type Agents struct {
	accounts map[string]account
	decoy    hash          // compared with the password of an unknown login
	hashing  chan struct{} // limits concurrent hashes: each takes 19 MiB and a core
}

type account struct {
	auth.Agent

	Password string `json:"password"` // argon2id, in PHC form

	hash hash
}

// DemoAgents returns the embedded demo agents.
func DemoAgents() (*Agents, error) { return ParseAgents(demoAgents) }

// ParseAgents parses an agents file: JSON, {"agents": [{login, name, avatar,
// roles, password}]}, with passwords hashed by HashPassword.
func ParseAgents(file []byte) (*Agents, error) {
	var in struct {
		Agents []account `json:"agents"`
	}
	decoder := json.NewDecoder(bytes.NewReader(file))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil {
		return nil, fmt.Errorf("read agents: %w", err)
	}
	a := &Agents{
		accounts: make(map[string]account, len(in.Agents)), decoy: newHash(""),
		hashing: make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
	for _, account := range in.Agents {
		if err := a.add(account); err != nil {
			return nil, fmt.Errorf("read agents: agent %q: %w", account.Login, err)
		}
	}
	if len(a.accounts) == 0 {
		return nil, errors.New("read agents: the file lists no agents")
	}
	return a, nil
}

// All returns the agents, sorted by login.
func (a *Agents) All() []auth.Agent {
	all := make([]auth.Agent, 0, len(a.accounts))
	for _, login := range slices.Sorted(maps.Keys(a.accounts)) {
		all = append(all, a.accounts[login].Agent)
	}
	return all
}

// Limits in characters, as in chat's contract.
const (
	maxLogin  = 200
	maxName   = 200
	maxAvatar = 1000
)

func (a *Agents) add(acc account) (err error) {
	if acc.Login == "" || acc.Login != strings.TrimSpace(acc.Login) {
		return errors.New("login is empty or has spaces around it")
	}
	if _, known := a.accounts[acc.Login]; known {
		return errors.New("duplicate login")
	}
	if !isLine(acc.Login, maxLogin) || !isLine(acc.Name, maxName) || !isLine(acc.Avatar, maxAvatar) {
		return fmt.Errorf("login, name and avatar must be one line each, of at most %d, %d and %d characters", maxLogin, maxName, maxAvatar)
	}
	for _, role := range acc.Roles {
		if role != auth.Salesman && role != auth.Admin {
			return fmt.Errorf("unknown role %q", role)
		}
	}
	if acc.hash, err = parseHash(acc.Password); err != nil {
		return fmt.Errorf("password: %w", err)
	}
	a.accounts[acc.Login] = acc
	return nil
}

func isLine(text string, limit int) bool {
	return utf8.RuneCountInString(text) <= limit && !strings.ContainsFunc(text, unicode.IsControl)
}

// check verifies a password. It returns ErrWrongCredentials for a wrong password
// and for an unknown login, after the same time.
func (a *Agents) check(ctx context.Context, login, password string) (account, error) {
	select {
	case a.hashing <- struct{}{}:
		defer func() { <-a.hashing }()
	case <-ctx.Done():
		return account{}, ErrBusy
	}
	acc, known := a.accounts[login]
	if !known {
		acc.hash = a.decoy
	}
	if !acc.hash.matches(password) || !known {
		return account{}, ErrWrongCredentials
	}
	return acc, nil
}

// fingerprint identifies the password. A session started with an older password
// has another fingerprint and is over.
func (a account) fingerprint() string {
	sum := sha256.Sum256(a.hash.sum)
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}
