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
	callTimeout = 10 * time.Second // for one call of an agent
	noteTimeout = 2 * time.Second  // for a note about who is here

	drainEach = 10 * time.Millisecond // between two sockets that are closed when the node stops
	drainTime = 5 * time.Second       // and at most for all of them
	drainWait = 5 * time.Second       // how long they may then take to end
)

// Limits bound what agents may do. 0 is no bound.
type Limits struct {
	Connections int     // sockets of one agent
	ConnectRate float64 // new sockets a second
}

// Directory keeps who the agents are, and when they were here.
type Directory interface {
	Meet(ctx context.Context, p chat.Profile) error
	Left(ctx context.Context, left []chat.Presence) error
}

// Lobby is what all hubs of a node have in common: who is here, on whichever of
// them, how many sockets an agent may have, and how the node stops.
type Lobby struct {
	presence  *presence
	directory Directory
	connects  *web.RateLimiter
	hubs      map[string]*signalr.Hub    // by path
	draining  []func(over time.Duration) // called before sockets are closed
	drain     chan struct{}              // closed by Drain
	drained   sync.Once
	gone      chan struct{} // closed when Run has ended
}

// NewLobby makes a lobby without hubs.
func NewLobby(directory Directory, limits Limits) *Lobby {
	l := &Lobby{
		presence:  newPresence(limits.Connections),
		directory: directory,
		connects:  web.NewRateLimiter(limits.ConnectRate, max(1, int(2*limits.ConnectRate))),
		hubs:      make(map[string]*signalr.Hub),
		drain:     make(chan struct{}),
		gone:      make(chan struct{}),
	}
	l.presence.left = l.noteLeft
	return l
}

const (
	mostCalls      = 100  // a second, of one socket
	mostHandshakes = 2000 // under way: sockets that nobody has said anything on
)

// open makes the hub at a path. Requests must come through auth.HubMiddleware.
func (l *Lobby) open(path string, origins web.Origins) *signalr.Hub {
	h := signalr.New(signalr.Options{
		Identify: identify, AllowOrigin: origins.Allow, CallRate: mostCalls, MaxHandshakes: mostHandshakes,
		AllowConnect: func(*http.Request) bool { return l.connects.Allow("") },
	})
	h.OnConnect(l.connected)
	h.OnDisconnect(func(c *signalr.Conn, err error) { l.presence.disconnected(c.User(), err == nil) })
	l.hubs[path] = h
	return h
}

// identify takes over who asks from the middleware. A socket lives no longer
// than its token.
func identify(r *http.Request) (signalr.Identity, error) {
	who, err := auth.FromContext(r.Context())
	if err != nil {
		return signalr.Identity{}, err
	}
	return signalr.Identity{User: who.Login, Expires: who.Expires, Value: who.Agent}, nil
}

func agentOf(c *signalr.Conn) auth.Agent {
	agent, _ := c.Identity().Value.(auth.Agent)
	return agent
}

func authorOf(c *signalr.Conn) chat.Author {
	agent := agentOf(c)
	return chat.Author{Login: agent.Login, Avatar: agent.Avatar}
}

func (l *Lobby) connected(ctx context.Context, c *signalr.Conn) error {
	if !l.presence.connected(c) {
		return signalr.HubError("you have too many connections open")
	}
	agent := agentOf(c)
	ctx, cancel := context.WithTimeout(ctx, noteTimeout)
	defer cancel()
	if err := l.directory.Meet(ctx, chat.Profile{Login: agent.Login, Name: agent.Name, Avatar: agent.Avatar}); err != nil {
		slog.WarnContext(ctx, "who has come was not noted", "agent", agent.Login, "error", err)
	}
	return nil
}

func (l *Lobby) noteLeft(ctx context.Context, left []chat.Presence) {
	ctx, cancel := context.WithTimeout(ctx, noteTimeout)
	defer cancel()
	if err := l.directory.Left(ctx, left); err != nil {
		slog.WarnContext(ctx, "who has left was not noted", "agents", len(left), "error", err)
	}
}

// Since is since when an agent is here.
func (l *Lobby) Since(login string) (at time.Time, here bool) { return l.presence.since(login) }

// Drain has Run close the sockets, and returns when it has or ctx has ended. It may
// be called more than once.
func (l *Lobby) Drain(ctx context.Context) {
	l.drained.Do(func() { close(l.drain) })
	select {
	case <-l.gone:
	case <-ctx.Done():
	}
}

// Run tells who comes and goes until ctx ends, or Drain is called; then it
// closes the sockets, spread over some seconds, and waits until they are gone.
func (l *Lobby) Run(ctx context.Context) error {
	defer close(l.gone)
	l.presence.run(ctx, l.drain)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime+drainWait)
	defer cancel()
	open := 0
	for _, h := range l.hubs {
		open += h.Connections()
	}
	over := min(drainTime, time.Duration(open)*drainEach)
	for _, draining := range l.draining {
		draining(over)
	}
	var closing errgroup.Group
	for _, h := range l.hubs {
		closing.Go(func() error {
			h.Drain(ctx, over)
			return h.Wait(ctx)
		})
	}
	if err := closing.Wait(); err != nil {
		return fmt.Errorf("close the sockets: %w", err)
	}
	return nil
}

// send pushes; what is sent always has a form in JSON.
func send(to signalr.Audience, target string, args ...any) {
	if err := to.Send(target, args...); err != nil {
		slog.Error("push not encoded", "target", target, "error", err)
	}
}
