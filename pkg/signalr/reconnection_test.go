package signalr_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley.internal/pkg/signalr"
	"parley.internal/pkg/signalr/signalrtest"
)

// reconnecting returns the transports for a client that reconnects after a delay.
func reconnecting(after ...time.Duration) map[string]signalrtest.Options {
	again := maps.Clone(ways)
	for way, o := range again {
		o.Reconnect = after
		again[way] = o
	}
	return again
}

// TestDrainedClientReconnects routes the client's next attempt to another node, like a load balancer.
func TestDrainedClientReconnects(t *testing.T) {
	for _, client := range clients(t, reconnecting(0, 100*time.Millisecond)) {
		t.Run(client.name, func(t *testing.T) { reconnects(t, client.Options) })
	}
}

func reconnects(t *testing.T, o signalrtest.Options) {
	t.Helper()
	var (
		first, second *liveHub
		draining      atomic.Bool
		old           sync.Map // the connections of the first node
	)
	balancer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.URL.Query().Get("id")
		if _, sticks := old.Load(id); sticks || !draining.Load() {
			old.Store(id, true)
			first.ServeHTTP(w, r)
			return
		}
		second.ServeHTTP(w, r)
	}))
	t.Cleanup(balancer.Close) // after the hubs have ended the connections
	first, second = openLiveHub(t), openLiveHub(t)

	c := signalrtest.Start(t, signalrtest.Microsoft, balancer.URL+"/hub", "jim", o)
	if err := errors.Join(c.On(soon(t), "Told"), c.Connect(soon(t))); err != nil {
		t.Fatal(err)
	}
	// After a result the connection has been recorded.
	if err := c.Invoke(soon(t), nil, "Who"); err != nil {
		t.Fatal(err)
	}
	old.Delete("") // is a negotiation
	draining.Store(true)
	first.Drain(t.Context(), 0)
	wantEvent(t, c, signalrtest.Reconnecting, "reconnecting ")
	wantEvent(t, c, signalrtest.Reconnected, "reconnected ")
	if err := first.end(t); err != nil {
		t.Errorf("the drained connection ended with %v", err)
	}
	if err := c.Invoke(soon(t), nil, "Tell", "back"); err != nil {
		t.Fatal(err)
	}
	wantEvent(t, c, signalrtest.Call, `Told("jim","avatar.svg","back")`)
}

func TestExpiredClientReconnectsWithANewToken(t *testing.T) {
	for _, client := range clients(t, reconnecting(0)) {
		t.Run(client.name, func(t *testing.T) { reconnectsWithANewToken(t, client.Options) })
	}
}

func reconnectsWithANewToken(t *testing.T, o signalrtest.Options) {
	t.Helper()
	r := openLiveHub(t)
	c := r.enter(t, signalrtest.Microsoft, "jim", o)
	if err := c.SetToken(soon(t), "jim-again"); err != nil {
		t.Fatal(err)
	}
	(<-r.conns).SetExpiry(time.Now())
	wantEvent(t, c, signalrtest.Reconnected, "reconnected ")
	var who map[string]string
	if err := c.Invoke(soon(t), &who, "Who"); err != nil || who["user"] != "jim-again" {
		t.Errorf("Who gave %v, %v", who, err)
	}
}

// TestNewTokenOfARequestKeepsTheConnection sends a new token with a request. The newer client does so
// only with TokenPerRequest; otherwise it keeps the token of the connection.
func TestNewTokenOfARequestKeepsTheConnection(t *testing.T) {
	byRequests := maps.Clone(ways)
	maps.DeleteFunc(byRequests, func(_ string, o signalrtest.Options) bool { return o.Transport == "WebSockets" })
	for _, client := range clients(t, byRequests) {
		client.TokenPerRequest = client.Package == signalrtest.Microsoft
		t.Run(client.name, func(t *testing.T) { keepsItsConnection(t, client) })
	}
}

func keepsItsConnection(t *testing.T, client official) {
	t.Helper()
	var rejected atomic.Bool // the old token of a sent message: a poll may be in flight
	end := map[string]time.Time{"old": time.Now().Add(time.Hour), "new": time.Now().Add(2 * time.Hour)}
	r := openHub(t, newRecorder(signalr.Options{Identify: func(r *http.Request) (signalr.Identity, error) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok {
			token = r.URL.Query().Get("access_token")
		}
		if end[token].IsZero() || (token == "old" && rejected.Load() && r.Method == http.MethodPost) {
			return signalr.Identity{}, errors.New("no such token")
		}
		return signalr.Identity{User: "jim", Expires: end[token]}, nil
	}}))
	r.Handle("Who", signalr.Func0(func(_ context.Context, c *signalr.Conn) (string, error) { return c.ID(), nil }))
	c := r.enter(t, client.Package, "old", client.Options)
	conn := <-r.conns
	if err := c.SetToken(soon(t), "new"); err != nil {
		t.Fatal(err)
	}
	rejected.Store(true)
	var id string
	if err := c.Invoke(soon(t), &id, "Who"); err != nil || id != conn.ID() {
		t.Errorf("connection %s is now %q, %v", conn.ID(), id, err)
	}
	if got := conn.Expiry(); !got.Equal(end["new"]) {
		t.Errorf("the connection ends at %s, want the expiry of the new token %s", got, end["new"])
	}
}
