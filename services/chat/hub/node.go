// Package hub serves agents' connections: the hubs push stored entries to clients, take
// their messages, and track their presence.
//
// Promise: each connection gets the entries of a stream in sequence, each once. A slow
// consumer is sent Behind, and joins again with the cursors of the client.
package hub

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"parley.internal/chat"
	"parley.internal/pkg/auth"
	"parley.internal/pkg/signalr"
	"parley.internal/pkg/web"
)

const (
	callTimeout     = 10 * time.Second // for a call of a client
	lastSeenTimeout = 2 * time.Second  // for storing when agents were last seen

	drainInterval = 10 * time.Millisecond // between the closes of two connections
	drainSpread   = 5 * time.Second       // at most, from the first close to the last
	drainTimeout  = 5 * time.Second       // for the connections to end after that
)

// LastSeen stores when agents were last seen.
type LastSeen struct {
	Online  func(context.Context, chat.Profile) error
	Offline func(context.Context, []chat.Presence) error
}

// Node is the common part of all hubs of a process: admission of connections, presence,
// and draining.
type Node struct {
	presence    *presence
	lastSeen    LastSeen
	connectRate *web.RateLimiter
	hubs        map[string]*signalr.Hub      // by path
	onDrain     []func(spread time.Duration) // called before connections are closed
	drain       chan struct{}                // closed by Drain
	drainOnce   sync.Once
	drained     chan struct{} // closed when Run returns
}

// NewNode makes a node without hubs. maxConnections limits the connections per agent,
// connectRate the new connections per second; 0 is no limit.
func NewNode(lastSeen LastSeen, maxConnections int, connectRate float64) *Node {
	n := &Node{
		presence:    newPresence(maxConnections),
		lastSeen:    lastSeen,
		connectRate: web.NewRateLimiter(connectRate, max(1, int(2*connectRate))),
		hubs:        make(map[string]*signalr.Hub),
		drain:       make(chan struct{}),
		drained:     make(chan struct{}),
	}
	n.presence.offline = n.storeOffline
	return n
}

const (
	maxCallRate   = 100  // calls per second and connection
	maxHandshakes = 2000 // connections before the end of their handshake
)

// newHub makes the hub at a path. Requests must come through auth.HubMiddleware.
func (n *Node) newHub(path string, origins web.Origins) *signalr.Hub {
	h := signalr.New(signalr.Options{
		Identify: identify, AllowOrigin: origins.Allow, CallRate: maxCallRate, MaxHandshakes: maxHandshakes,
		AllowConnect: func(*http.Request) bool { return n.connectRate.Allow("") },
	})
	h.OnConnect(n.connected)
	h.OnDisconnect(func(c *signalr.Conn, err error) { n.presence.disconnected(c.User(), err == nil) })
	n.hubs[path] = h
	return h
}

// identify takes the agent from the middleware. A connection ends when
// the token expires.
func identify(r *http.Request) (signalr.Identity, error) {
	caller, err := auth.FromContext(r.Context())
	if err != nil {
		return signalr.Identity{}, err
	}
	return signalr.Identity{User: caller.Login, Expires: caller.Expires, Value: caller.Agent}, nil
}

func agentOf(c *signalr.Conn) auth.Agent {
	agent, _ := c.Identity().Value.(auth.Agent)
	return agent
}

func draftOf(c *signalr.Conn, stream, id, body string) chat.Draft {
	agent := agentOf(c)
	return chat.Draft{Stream: stream, ID: id, Author: agent.Login, Avatar: agent.Avatar, Body: body}
}

// connected admits a connection, unless the agent has too many.
func (n *Node) connected(ctx context.Context, c *signalr.Conn) error {
	text, admitted := n.presence.connected(c.User(), time.Now())
	if !admitted {
		return signalr.HubError("you have too many connections open")
	}
	if text != "" {
		n.presence.broadcastText(text, c)
	}
	agent := agentOf(c)
	ctx, cancel := context.WithTimeout(ctx, lastSeenTimeout)
	defer cancel()
	if err := n.lastSeen.Online(ctx, chat.Profile{Login: agent.Login, Name: agent.Name, Avatar: agent.Avatar}); err != nil {
		slog.WarnContext(ctx, "last seen not stored", "agent", agent.Login, "error", err)
	}
	return nil
}

func (n *Node) storeOffline(ctx context.Context, agents []chat.Presence) {
	ctx, cancel := context.WithTimeout(ctx, lastSeenTimeout)
	defer cancel()
	if err := n.lastSeen.Offline(ctx, agents); err != nil {
		slog.WarnContext(ctx, "last seen not stored", "agents", len(agents), "error", err)
	}
}

// OnlineSince returns when an agent came online, and false for an agent who is offline.
func (n *Node) OnlineSince(login string) (at time.Time, online bool) {
	return n.presence.onlineSince(login)
}

// Drain has Run close the connections, and returns when Run has, or ctx has ended.
// Further calls are allowed.
func (n *Node) Drain(ctx context.Context) {
	n.drainOnce.Do(func() { close(n.drain) })
	select {
	case <-n.drained:
	case <-ctx.Done():
	}
}

// Run announces presence until ctx ends, or Drain is called. Then it closes the
// connections, spread over some seconds, and waits for their end.
func (n *Node) Run(ctx context.Context) error {
	defer close(n.drained)
	n.presence.run(ctx, n.drain)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainSpread+drainTimeout)
	defer cancel()
	open := 0
	for _, h := range n.hubs {
		open += h.Connections()
	}
	spread := min(drainSpread, time.Duration(open)*drainInterval)
	for _, onDrain := range n.onDrain {
		onDrain(spread)
	}
	var draining errgroup.Group
	for _, h := range n.hubs {
		draining.Go(func() error {
			h.Drain(ctx, spread)
			return h.Wait(ctx)
		})
	}
	if err := draining.Wait(); err != nil {
		return fmt.Errorf("drain connections: %w", err)
	}
	return nil
}

// broadcast calls the clients of an audience; the arguments always encode.
func broadcast(to signalr.Audience, target string, args ...any) {
	if err := to.Send(target, args...); err != nil {
		slog.Error("push not encoded", "target", target, "error", err)
	}
}

// sendTo calls a client; the arguments always encode.
func sendTo(c *signalr.Conn, target string, args ...any) {
	if err := c.Send(target, args...); err != nil {
		slog.Error("push not encoded", "target", target, "error", err)
	}
}
