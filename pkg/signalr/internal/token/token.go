// Package token issues the connection token of a client: the client gets the token from negotiate and
// connects with the token. Tokens are signed: any node with the same key accepts them, and no node needs a table of
// clients without a connection. A node remembers the used tokens until they expire.
package token

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"sync"
	"time"
)

// Lifetime is the longest time from negotiate to connect.
const Lifetime = time.Minute

var (
	// ErrUnknown is the error of an invalid or expired token, and of a token after the connection has
	// ended.
	ErrUnknown = errors.New("no connection with that id")
	// ErrActive is the error of a token claimed by another request.
	ErrActive = errors.New("connection already active")
)

// ID identifies a connection. The ID is secret and gives control over the connection; PublicID is
// public.
type ID [16]byte

const (
	signedSize = len(ID{}) + 8 // the ID and the expiry in Unix seconds
	tokenSize  = signedSize + 16
)

// encoding needs no escaping in a query: old clients do not escape.
var encoding = base64.RawURLEncoding.Strict()

// Issuer issues tokens and tracks claimed tokens. C is the connection of a claim.
type Issuer[C any] struct {
	key []byte

	mu    sync.Mutex
	used  map[ID]claim[C]
	sweep time.Time // of the next removal of expired claims
}

type claim[C any] struct {
	expires time.Time
	active  bool
	conn    C // zero until Attach
}

// NewIssuer returns an issuer with a signing key.
func NewIssuer[C any](key []byte) *Issuer[C] {
	return &Issuer[C]{key: key, used: make(map[ID]claim[C])}
}

// NewID returns a random ID.
func NewID() (id ID) {
	_, _ = rand.Read(id[:]) // never fails: the process ends instead
	return id
}

// Issue returns a new ID and the signed token for a user.
func (i *Issuer[C]) Issue(user string, now time.Time) (ID, string) {
	id := NewID()
	raw := binary.BigEndian.AppendUint64(id[:], uint64(now.Add(Lifetime).Unix())) //nolint:gosec // after 1970
	raw = append(raw, i.sign("token", raw, user)...)
	return id, encoding.EncodeToString(raw)
}

// PublicID returns the public name of a connection. The ID cannot be derived from the name.
func (i *Issuer[C]) PublicID(id ID) string {
	return encoding.EncodeToString(i.sign("id", id[:], ""))
}

func (i *Issuer[C]) sign(purpose string, data []byte, user string) []byte {
	mac := hmac.New(sha256.New, i.key)
	mac.Write([]byte(purpose + "\x00"))
	mac.Write(data)
	mac.Write([]byte(user))
	return mac.Sum(nil)[:16]
}

// verify checks the signature of a token for a user.
func (i *Issuer[C]) verify(token, user string) (id ID, expires time.Time, err error) {
	raw, err := encoding.DecodeString(token)
	if err != nil || len(token) != encoding.EncodedLen(tokenSize) ||
		!hmac.Equal(raw[signedSize:], i.sign("token", raw[:signedSize], user)) {
		return ID{}, time.Time{}, ErrUnknown
	}
	id = ID(raw[:len(id)])
	return id, time.Unix(int64(binary.BigEndian.Uint64(raw[len(id):])), 0), nil //nolint:gosec // signed by Issue
}

// Claim reserves a token for a connection. Each token can be claimed once.
func (i *Issuer[C]) Claim(token, user string, now time.Time) (ID, error) {
	id, expires, err := i.verify(token, user)
	if err != nil {
		return id, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	switch u, used := i.used[id]; {
	case u.active:
		return id, ErrActive
	case used, !now.Before(expires):
		return id, ErrUnknown
	}
	i.removeExpired(now)
	i.used[id] = claim[C]{expires: expires, active: true}
	return id, nil
}

// Attach sets the connection of a claimed token.
func (i *Issuer[C]) Attach(id ID, conn C) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if u := i.used[id]; u.active {
		u.conn = conn
		i.used[id] = u
	}
}

// Find returns the connection of a token: zero if the token is unused or has no connection yet. The
// error is ErrUnknown.
func (i *Issuer[C]) Find(token, user string, now time.Time) (conn C, err error) {
	id, expires, err := i.verify(token, user)
	if err != nil {
		return conn, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	u, used := i.used[id]
	if !u.active && (used || !now.Before(expires)) {
		return conn, ErrUnknown
	}
	return u.conn, nil
}

// Release ends a claim. The token stays used until expiry.
func (i *Issuer[C]) Release(id ID) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if u, used := i.used[id]; used {
		i.used[id] = claim[C]{expires: u.expires}
	}
}

// removeExpired forgets released and expired claims, at most once per Lifetime. The caller holds mu.
func (i *Issuer[C]) removeExpired(now time.Time) {
	if now.Before(i.sweep) {
		return
	}
	i.sweep = now.Add(Lifetime)
	for id, u := range i.used {
		if !u.active && !now.Before(u.expires) {
			delete(i.used, id)
		}
	}
}
