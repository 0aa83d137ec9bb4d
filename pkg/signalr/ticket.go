package signalr

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

// ticketLife is how long a client may take from negotiate to connect.
const ticketLife = time.Minute

var (
	errNoConnection  = errors.New("no connection with that id")
	errAlreadyActive = errors.New("connection already active")
)

// ticket stands for a connection that was negotiated. The token that the client
// carries is the ticket, its expiry and a signature over both and the user, so
// that a node needs no table of those who never come; it remembers the used
// ones until they expire.
type ticket [16]byte

const (
	signedSize = len(ticket{}) + 8
	tokenSize  = signedSize + 16
)

// encoding needs no escaping in a query, which old clients do not do.
var encoding = base64.RawURLEncoding.Strict()

type tickets struct {
	key []byte

	mu    sync.Mutex
	used  map[ticket]use
	sweep time.Time // when to forget the expired ones again
}

type use struct {
	expires time.Time
	active  bool
	conn    *Conn // nil while it is being made
}

func newTicket() (t ticket) {
	_, _ = rand.Read(t[:]) // never fails: it ends the process instead
	return t
}

// issue makes a new ticket and its token.
func (ts *tickets) issue(user string, now time.Time) (ticket, string) {
	t := newTicket()
	raw := make([]byte, 0, tokenSize)
	raw = append(raw, t[:]...)
	raw = binary.BigEndian.AppendUint64(raw, uint64(now.Add(ticketLife).Unix())) //nolint:gosec // after 1970
	raw = append(raw, ts.sign("token", raw, user)...)
	return t, encoding.EncodeToString(raw)
}

// publicID names a connection to anyone; it tells nothing about the ticket.
func (ts *tickets) publicID(t ticket) string {
	return encoding.EncodeToString(ts.sign("id", t[:], ""))
}

func (ts *tickets) sign(purpose string, data []byte, user string) []byte {
	mac := hmac.New(sha256.New, ts.key)
	mac.Write([]byte(purpose))
	mac.Write([]byte{0})
	mac.Write(data)
	mac.Write([]byte(user))
	return mac.Sum(nil)[:16]
}

// check finds the ticket in a token that this user may use now.
func (ts *tickets) check(token, user string, now time.Time) (ticket, time.Time, error) {
	raw, err := encoding.DecodeString(token)
	if err != nil || len(token) != encoding.EncodedLen(tokenSize) || !hmac.Equal(raw[signedSize:], ts.sign("token", raw[:signedSize], user)) {
		return ticket{}, time.Time{}, errNoConnection
	}
	t := ticket(raw[:len(ticket{})])
	expires := time.Unix(int64(binary.BigEndian.Uint64(raw[len(t):])), 0) //nolint:gosec // we signed it

	ts.mu.Lock()
	defer ts.mu.Unlock()
	switch u, used := ts.used[t]; {
	case used && u.active:
		return t, expires, errAlreadyActive
	case used, !now.Before(expires):
		return t, expires, errNoConnection
	}
	return t, expires, nil
}

// claim lets one connection use the token.
func (ts *tickets) claim(token, user string, now time.Time) (ticket, error) {
	t, expires, err := ts.check(token, user, now)
	if err != nil {
		return t, err
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if _, used := ts.used[t]; used {
		return t, errAlreadyActive // by another request, since check
	}
	ts.forget(now)
	ts.used[t] = use{expires: expires, active: true}
	return t, nil
}

// seat notes which connection has claimed the ticket.
func (ts *tickets) seat(t ticket, c *Conn) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if u, used := ts.used[t]; used && u.active {
		u.conn = c
		ts.used[t] = u
	}
}

// find is the connection of a token, nil if none has claimed it yet. The error
// is errNoConnection.
func (ts *tickets) find(token, user string, now time.Time) (*Conn, error) {
	t, _, err := ts.check(token, user, now)
	if !errors.Is(err, errAlreadyActive) {
		return nil, err
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return ts.used[t].conn, nil
}

// release ends a claim: until it expires the ticket is known as used.
func (ts *tickets) release(t ticket) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if u, used := ts.used[t]; used {
		u.active, u.conn = false, nil
		ts.used[t] = u
	}
}

// forget drops what has ended and expired, once in a ticket's life.
func (ts *tickets) forget(now time.Time) {
	if ts.used == nil {
		ts.used = make(map[ticket]use)
	}
	if now.Before(ts.sweep) {
		return
	}
	ts.sweep = now.Add(ticketLife)
	for t, u := range ts.used {
		if !u.active && !now.Before(u.expires) {
			delete(ts.used, t)
		}
	}
}
