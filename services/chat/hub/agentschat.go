package hub

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"parley.internal/chat"
	"parley.internal/pkg/auth"
	"parley.internal/pkg/fault"
	"parley.internal/pkg/signalr"
	"parley.internal/pkg/web"
)

// AgentsChatPath is where AgentsChat is served.
const AgentsChatPath = "/agentsChat"

const (
	callTimeout = 10 * time.Second // for one call of an agent

	drainEach = 10 * time.Millisecond // between two sockets that are closed when the node stops
	drainTime = 5 * time.Second       // and at most for all of them
	drainWait = 5 * time.Second       // how long they may then take to end
)

// AgentsChat is the hub of the original system, to the letter: agents invoke
// SendMessage(text) and hear ReceiveMessage(login, avatar, text) and
// ReceiveNotification(text). Nothing else is called on either side.
type AgentsChat struct {
	hub      *signalr.Hub
	sender   chat.Sender
	presence *presence
	connects *web.Rate
	drain    chan struct{} // closed by Drain
	drained  sync.Once
}

// Limits bound what agents may do. 0 is no bound.
type Limits struct {
	MessageRate float64 // entries a second of one agent; twice that at once
	Connections int     // sockets of one agent
	ConnectRate float64 // new sockets a second
}

// NewAgentsChat makes the hub. Requests must come through auth.HubMiddleware.
func NewAgentsChat(sender chat.Sender, origins web.Origins, limits Limits) *AgentsChat {
	c := &AgentsChat{
		hub:      signalr.New(signalr.Options{Identify: identify, AllowOrigin: origins.Allow}),
		sender:   sender,
		drain:    make(chan struct{}),
		connects: web.NewRate(limits.ConnectRate, max(1, int(2*limits.ConnectRate))),
	}
	c.presence = newPresence(limits.Connections, c.tell)
	c.hub.Handle("SendMessage", signalr.Action1(c.sendMessage))
	c.hub.OnConnect(func(_ context.Context, conn *signalr.Conn) error {
		if !c.presence.connected(conn) {
			return signalr.HubError("you have too many connections open")
		}
		return nil
	})
	c.hub.OnDisconnect(func(conn *signalr.Conn, err error) { c.presence.disconnected(conn.User(), err == nil) })
	return c
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

func (c *AgentsChat) sendMessage(ctx context.Context, conn *signalr.Conn, text string) error {
	agent, _ := conn.Identity().Value.(auth.Agent)
	author := chat.Author{Login: agent.Login, Avatar: agent.Avatar}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if _, err := c.sender.Send(ctx, author, uuid.NewString(), text); err != nil {
		if f := fault.Of(err); f.Kind != fault.Internal {
			return signalr.HubError(f.Detail)
		}
		return err
	}
	return nil
}

// Push tells the agents of an entry.
func (c *AgentsChat) Push(e chat.Entry) {
	switch owner, own := chat.Owner(e.Stream); {
	case own:
		send(c.hub.User(owner), "ReceiveNotification", e.Body)
	case e.Stream == chat.Company:
		send(c.hub.All(), "ReceiveNotification", e.Body)
	case e.Stream == chat.General:
		send(c.hub.All(), "ReceiveMessage", e.Author, e.Avatar, e.Body)
	}
}

func (c *AgentsChat) tell(text string, except *signalr.Conn) {
	send(c.hub.All().Except(except), "ReceiveNotification", text)
}

func send(to signalr.Audience, target string, args ...any) {
	if err := to.Send(target, args...); err != nil { // Texts always have a form in JSON.
		slog.Error("push not encoded", "target", target, "error", err)
	}
}

// ServeHTTP implements http.Handler for AgentsChatPath and its negotiation.
func (c *AgentsChat) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == AgentsChatPath && !c.connects.Allow("") {
		w.Header().Set("Retry-After", "1")
		web.Refuse(w, r, errTooManyConnects)
		return
	}
	c.hub.ServeHTTP(w, r)
}

var errTooManyConnects = fault.New(fault.Unavailable, "too-many-connects", "too many agents connect just now")

// Drain has Run close the sockets. It may be called more than once.
func (c *AgentsChat) Drain() { c.drained.Do(func() { close(c.drain) }) }

// Run tells who comes and goes until ctx ends, or Drain is called; then it
// closes the sockets, spread over some seconds, and waits until they are gone.
func (c *AgentsChat) Run(ctx context.Context) error {
	c.presence.run(ctx, c.drain)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime+drainWait)
	defer cancel()
	c.hub.Drain(ctx, min(drainTime, time.Duration(c.hub.Connections())*drainEach))
	if err := c.hub.Wait(ctx); err != nil {
		return fmt.Errorf("close the sockets: %w", err)
	}
	return nil
}
