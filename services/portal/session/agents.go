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

// demoAgents are for trying Parley out: jimmy.solid, danny.solid and admin,
// whose passwords the README tells.
//
//go:embed demo-agents.json
var demoAgents []byte

// The errors of signing in.
var (
	ErrWrong = fault.New(fault.Unauthenticated, "credentials-wrong", "the login or the password is wrong")
	ErrBusy  = fault.New(fault.Unavailable, "busy", "too many people sign in just now; try again")
)

// Agents are those who may sign in. It is safe for concurrent use.
type Agents struct {
	accounts map[string]account
	nobody   hash          // what a password is compared with when there is no such login
	hashing  chan struct{} // bounds the hashes computed at once: each takes 19 MiB and a core
}

type account struct {
	auth.Agent

	Password string `json:"password"` // argon2id, in PHC form

	hash hash
}

// DemoAgents are the agents of the embedded default.
func DemoAgents() (*Agents, error) { return ParseAgents(demoAgents) }

// ParseAgents reads an agents file: JSON, {"agents": [{login, name, avatar,
// roles, password}]} with each password as HashPassword made it.
func ParseAgents(file []byte) (*Agents, error) {
	var in struct {
		Agents []account `json:"agents"`
	}
	decoder := json.NewDecoder(bytes.NewReader(file))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil {
		return nil, fmt.Errorf("read agents: %w", err)
	}
	nobody, err := parseHash(HashPassword(""))
	if err != nil {
		return nil, fmt.Errorf("read agents: %w", err)
	}
	a := &Agents{
		accounts: make(map[string]account, len(in.Agents)), nobody: nobody,
		hashing: make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
	for _, account := range in.Agents {
		if err := a.add(account); err != nil {
			return nil, fmt.Errorf("read agents: %q %w", account.Login, err)
		}
	}
	if len(a.accounts) == 0 {
		return nil, errors.New("read agents: the file names none")
	}
	return a, nil
}

// All are those who may sign in, by login.
func (a *Agents) All() []auth.Agent {
	all := make([]auth.Agent, 0, len(a.accounts))
	for _, login := range slices.Sorted(maps.Keys(a.accounts)) {
		all = append(all, a.accounts[login].Agent)
	}
	return all
}

func (a *Agents) add(one account) (err error) {
	switch {
	case one.Login == "" || one.Login != strings.TrimSpace(one.Login):
		return errors.New("is no login")
	case a.accounts[one.Login].Login != "":
		return errors.New("is there twice")
	case !isLine(one.Login, maxLogin) || !isLine(one.Name, maxName) || !isLine(one.Avatar, maxAvatar):
		return fmt.Errorf("has a login or name of more than %d characters, an avatar of more than %d, or one that is no line of text",
			maxLogin, maxAvatar)
	}
	for _, role := range one.Roles {
		if role != auth.Salesman && role != auth.Admin {
			return fmt.Errorf("has the role %q, which does not exist", role)
		}
	}
	if one.hash, err = parseHash(one.Password); err != nil {
		return fmt.Errorf("has a password that %w", err)
	}
	a.accounts[one.Login] = one
	return nil
}

// Bounds of an agent, in characters, as the contract of chat has them.
const (
	maxLogin  = 200
	maxName   = 200
	maxAvatar = 1000
)

func isLine(text string, most int) bool {
	return utf8.RuneCountInString(text) <= most && !strings.ContainsFunc(text, unicode.IsControl)
}

// check compares a password: ErrWrong says no more than that, and takes as
// long for a login that does not exist.
func (a *Agents) check(ctx context.Context, login, password string) (account, error) {
	select {
	case a.hashing <- struct{}{}:
		defer func() { <-a.hashing }()
	case <-ctx.Done():
		return account{}, ErrBusy
	}
	found, known := a.accounts[login]
	if !known {
		a.nobody.matches(password)
		return account{}, ErrWrong
	}
	if !found.hash.matches(password) {
		return account{}, ErrWrong
	}
	return found, nil
}

// fingerprint changes when the password does: it ends the sessions that were
// begun with the old one.
func (a account) fingerprint() string {
	sum := sha256.Sum256(a.hash.sum)
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}
