package signalr

import "slices"

// Audience is whom a message goes to: whoever belongs to it when it is sent.
// The zero Audience is nobody.
type Audience struct {
	hub    *Hub
	scope  scope
	name   string
	except []*Conn
	within int
	behind func(*Conn) // nil: nobody asks for Within
}

type scope uint8

const (
	scopeAll scope = iota
	scopeUser
	scopeGroup
)

// All is every connection.
func (h *Hub) All() Audience { return Audience{hub: h, scope: scopeAll} }

// User is each connection of one user; the empty user is nobody.
func (h *Hub) User(id string) Audience { return Audience{hub: h, scope: scopeUser, name: id} }

// Group is each connection that has joined the group.
func (h *Hub) Group(name string) Audience { return Audience{hub: h, scope: scopeGroup, name: name} }

// Others is every connection but this one.
func (h *Hub) Others(c *Conn) Audience { return h.All().Except(c) }

// Except is the audience without these connections; nil is none, and so is one of
// another hub.
func (a Audience) Except(conns ...*Conn) Audience {
	all := slices.Concat(a.except, conns)
	a.except = slices.DeleteFunc(all, func(c *Conn) bool { return c == nil || c.hub != a.hub })
	return a
}

// Within is the audience without those for whom more than so many bytes would
// wait then. They are not disconnected: if the audience is a group they have
// left it, so that they hear no more of it behind the hole, and behind is called
// for each of them before Send returns. A client without anything waiting
// always is within.
func (a Audience) Within(bytes int, behind func(*Conn)) Audience {
	a.within, a.behind = bytes, behind
	return a
}

// Send calls target at everyone in the audience. The arguments are encoded
// once, and the error is only about those that cannot be. Send never waits: a
// client that is a Backlog behind is disconnected and told to come back. What
// one goroutine sends, whatever to, arrives at each connection in that order.
func (a Audience) Send(target string, args ...any) error {
	o, err := invocationOf("", target, args)
	if err != nil {
		return err
	}
	if a.hub == nil {
		return nil
	}
	for _, c := range a.hub.fanout.cast(a, o) {
		if a.behind != nil {
			a.behind(c)
		} else {
			c.tooSlow()
		}
	}
	return nil
}

// Join lets the connection hear what is sent to the group, from now on. Joining
// twice is joining once; a connection that has ended joins nothing.
func (h *Hub) Join(c *Conn, group string) { h.fanout.join(c, group) }

// Leave undoes Join. The end of a connection leaves all its groups.
func (h *Hub) Leave(c *Conn, group string) { h.fanout.leave(c, group) }

// Dissolve has every connection leave the group, and says which did.
func (h *Hub) Dissolve(group string) []*Conn { return h.fanout.dissolve(group) }
