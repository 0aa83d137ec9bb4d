package signalr

import (
	"slices"

	"parley.internal/pkg/signalr/internal/fanout"
	"parley.internal/pkg/signalr/internal/wire"
)

// Audience selects the receivers of a message: its connections at the time of sending. The zero
// Audience is empty.
type Audience struct {
	hub    *Hub
	to     fanout.Audience
	behind func(*Conn) // nil: without Within
}

// All returns every connection.
func (h *Hub) All() Audience { return Audience{hub: h} }

// User returns the connections of a user; the empty user has none.
func (h *Hub) User(id string) Audience {
	return Audience{hub: h, to: fanout.Audience{Scope: fanout.User, Name: id}}
}

// Group returns the members of a group; see Join.
func (h *Hub) Group(name string) Audience {
	return Audience{hub: h, to: fanout.Audience{Scope: fanout.Group, Name: name}}
}

// Others returns every connection except c.
func (h *Hub) Others(c *Conn) Audience { return h.All().Except(c) }

// Except returns the audience without some connections. A nil connection and a connection of another
// hub are ignored.
func (a Audience) Except(conns ...*Conn) Audience {
	a.to.Except = slices.Clip(a.to.Except)
	for _, c := range conns {
		if c != nil && c.hub == a.hub {
			a.to.Except = append(a.to.Except, &c.queue)
		}
	}
	return a
}

// Within returns the audience without lagging connections: more than so many bytes would wait for them.
// Lagging connections stay connected. If the audience is a group they leave the group and get no later
// message behind the hole, and behind is called for each of them before Send returns. A connection
// without waiting bytes never lags.
func (a Audience) Within(bytes int, behind func(*Conn)) Audience {
	a.to.Within, a.to.LeaveLagging, a.behind = bytes, behind != nil, behind
	return a
}

// Send calls target at every connection of the audience. The arguments are encoded once, and the error
// is an encoding error. Send never waits: a slow consumer with more than Options.Backlog waiting is
// disconnected and told to reconnect. Messages of the same goroutine, to any audience, arrive at each
// connection in the order of sending.
func (a Audience) Send(target string, args ...any) error {
	m, err := wire.NewMessage(wire.Message{Kind: wire.Invocation, Target: target}, args...)
	if err != nil || a.hub == nil {
		return err
	}
	for _, owner := range a.hub.fanout.Broadcast(a.to, m) {
		if c := connOf(owner); a.behind != nil {
			a.behind(c)
		} else {
			c.closeSlow()
		}
	}
	return nil
}

// Join adds the connection to a group, for messages sent from now on. Joining twice equals joining
// once; a closed connection and a connection of another hub join nothing.
func (h *Hub) Join(c *Conn, group string) {
	if c.hub == h {
		c.queue.Join(group)
	}
}

// Leave undoes Join. The end of a connection leaves all its groups.
func (h *Hub) Leave(c *Conn, group string) {
	if c.hub == h {
		c.queue.Leave(group)
	}
}

// Dissolve removes all connections from a group and returns them.
func (h *Hub) Dissolve(group string) (left []*Conn) {
	for _, owner := range h.fanout.Dissolve(group) {
		left = append(left, connOf(owner))
	}
	return left
}
