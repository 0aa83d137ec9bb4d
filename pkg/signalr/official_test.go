package signalr_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley.internal/pkg/signalr"
	"parley.internal/pkg/signalr/signalrtest"
)

var officials = []signalrtest.Package{signalrtest.Microsoft, signalrtest.AspNet}

// ways are the transports, each by name, as an official client is told of them.
var ways = map[string]signalrtest.Options{
	"WebSockets":       {Transport: "WebSockets"},
	"ServerSentEvents": {Transport: "ServerSentEvents"},
	"LongPolling":      {Transport: "LongPolling"},

	"WebSockets in MessagePack":  {Transport: "WebSockets", MessagePack: true},
	"LongPolling in MessagePack": {Transport: "LongPolling", MessagePack: true},
}

// official is a client that has to work, and how it is to.
type official struct {
	name string
	signalrtest.Package
	signalrtest.Options
}

// clients are the official ones, in Node and in Chromium, each in these ways.
func clients(t *testing.T, ways ...map[string]signalrtest.Options) (all []official) {
	t.Helper()
	places := map[string]*signalrtest.Browser{"Node": nil, "Chromium": signalrtest.OpenBrowser(t)}
	for place, browser := range places {
		for _, p := range officials {
			for _, some := range ways {
				for way, o := range some {
					if p == signalrtest.AspNet && (o.MessagePack || o.Reconnect != nil) {
						continue // Its package for the one is another major's; it does not do the other.
					}
					o.Browser = browser
					all = append(all, official{strings.Join([]string{place, string(p), way}, " "), p, o})
				}
			}
		}
	}
	return all
}

// officially runs fn with each official client over each transport.
func officially(t *testing.T, fn func(t *testing.T, p signalrtest.Package, o signalrtest.Options)) {
	t.Helper()
	for _, c := range clients(t, ways) {
		t.Run(c.name, func(t *testing.T) { fn(t, c.Package, c.Options) })
	}
}

// reconnecting are the ways of a client that comes back after so long.
func reconnecting(after ...time.Duration) map[string]signalrtest.Options {
	again := maps.Clone(ways)
	for way, o := range again {
		o.Reconnect = after
		again[way] = o
	}
	return again
}

// direct is a client that does not ask first.
var direct = map[string]signalrtest.Options{"skipping negotiation": {SkipNegotiation: true}}

// free is one that takes the best transport that works.
var free = map[string]signalrtest.Options{"the best way": {}}

// room is a hub on a real socket, where the token is the user.
type room struct {
	*diary

	url string
}

func openRoom(t *testing.T, transports ...signalr.Transport) *room {
	t.Helper()
	r := &room{diary: newDiary(signalr.Options{Transports: transports, DisconnectTimeout: 5 * time.Second, Identify: func(r *http.Request) (signalr.Identity, error) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok {
			token = r.URL.Query().Get("access_token")
		}
		if token == "" || token == "stranger" {
			return signalr.Identity{}, errors.New("nobody knows them")
		}
		return signalr.Identity{User: token}, nil
	}})}
	r.Handle("Add", signalr.Func2(func(_ context.Context, _ *signalr.Conn, a, b int) (int, error) { return a + b, nil }))
	r.Handle("Who", signalr.Func0(func(_ context.Context, c *signalr.Conn) (map[string]string, error) {
		return map[string]string{"user": c.User()}, nil
	}))
	r.Handle("Refuse", signalr.Action0(func(context.Context, *signalr.Conn) error { return signalr.HubError("not today") }))
	r.Handle("Break", signalr.Action0(func(context.Context, *signalr.Conn) error { return errors.New("secret") }))
	r.Handle("Tell", signalr.Action1(func(_ context.Context, c *signalr.Conn, text string) error {
		return r.All().Send("Told", c.User(), "avatar.svg", text)
	}))
	r.Handle("Join", signalr.Action1(func(_ context.Context, c *signalr.Conn, group string) error {
		r.Join(c, group)
		return nil
	}))
	return openHub(t, r.diary)
}

// openHub serves a diary on a real socket.
func openHub(t *testing.T, d *diary) *room {
	t.Helper()
	server := httptest.NewServer(d)
	r := &room{diary: d, url: server.URL + "/hub"}
	t.Cleanup(func() {
		r.empty(t)
		server.Close()
	})
	return r
}

// empty ends the room's connections.
func (r *room) empty(t *testing.T) {
	t.Helper()
	r.Drain(t.Context(), 0)
	if err := r.Wait(soon(t)); err != nil {
		t.Error(err)
	}
}

// soon is a context for what takes no time when it works.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// within is the error that comes soon when all works. Outside of a bubble nobody
// notices a deadlock, so the wait for it ends by itself.
func within(t *testing.T, errs <-chan error) error {
	t.Helper()
	select {
	case err := <-errs:
		return err
	case <-soon(t).Done():
		t.Fatal("nothing has ended")
		return nil
	}
}

// enter connects an official client to the room. It is there until all have
// been told to leave: the room would wait for one that polls and is gone.
func (r *room) enter(t *testing.T, p signalrtest.Package, user string, o signalrtest.Options) *signalrtest.Client {
	t.Helper()
	c := signalrtest.Start(t, p, r.url, user, o)
	if err := errors.Join(c.On(soon(t), "Told"), c.Connect(soon(t))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.empty(t) })
	return c
}

func wantEvent(t *testing.T, c *signalrtest.Client, kind, text string) {
	t.Helper()
	e, err := c.WaitFor(soon(t), signalrtest.KindOf(kind))
	if err != nil {
		t.Fatal(err)
	}
	if got := e.String(); got != text {
		t.Errorf("got %q, want %q", got, text)
	}
}

func TestOfficialClients(t *testing.T) {
	for _, client := range clients(t, ways, free, direct) {
		t.Run(client.name, func(t *testing.T) {
			r := openRoom(t)
			c := r.enter(t, client.Package, "jim", client.Options)

			var sum int
			if err := c.Invoke(soon(t), &sum, "Add", 1, 2); err != nil || sum != 3 {
				t.Errorf("Add gave %d, %v", sum, err)
			}
			var who map[string]string
			if err := c.Invoke(soon(t), &who, "who"); err != nil || who["user"] != "jim" {
				t.Errorf("Who gave %v, %v", who, err)
			}
			for target, want := range map[string]string{
				"Refuse": "An unexpected error occurred invoking 'Refuse' on the server. HubException: not today",
				"Break":  "An unexpected error occurred invoking 'Break' on the server.",
				"Add":    "Failed to invoke 'Add' due to an error on the server.",
				"Nope":   "Unknown hub method 'Nope'",
			} {
				err := c.Invoke(soon(t), nil, target)
				if got, ok := errors.AsType[signalrtest.Error](err); !ok || string(got) != want {
					t.Errorf("%s gave %v, want %q", target, err, want)
				}
			}
			for _, target := range []string{"Refuse", "Nope"} {
				if err := c.Send(soon(t), target); err != nil {
					t.Errorf("send %s: %v", target, err)
				}
			}
			if err := c.Send(soon(t), "Tell", "<b>hé\x1e</b>"); err != nil {
				t.Error(err)
			}
			e, err := c.WaitFor(soon(t), signalrtest.CallOf("Told"))
			if err != nil {
				t.Fatal(err)
			}
			if len(e.Args) != 3 {
				t.Fatalf("%d arguments, want 3", len(e.Args))
			}
			var text string
			if err := json.Unmarshal(e.Args[2], &text); err != nil || text != "<b>hé\x1e</b>" {
				t.Errorf("told %q, %v", text, err)
			}

			if err := c.Stop(soon(t)); err != nil {
				t.Error(err)
			}
			wantEvent(t, c, signalrtest.Closed, "closed ")
			if err := r.ending(t); err != nil {
				t.Errorf("the connection ended with %v, want cleanly", err)
			}
		})
	}
}

func TestOfficialClientsStream(t *testing.T) {
	officially(t, func(t *testing.T, p signalrtest.Package, o signalrtest.Options) {
		river := newRiver()
		r := openHub(t, river.diary)
		c := r.enter(t, p, "jim", o)
		items, err := c.Stream(soon(t), 0, "Count", 1000)
		if err != nil || len(items) != 1000 || string(items[999]) != "999" {
			t.Errorf("got %d items, error %v", len(items), err)
		}
		if items, err = c.Stream(soon(t), 0, "Fail", 7, "enough"); !strings.HasSuffix(fmt.Sprint(err), "HubException: enough") {
			t.Errorf("got %v, error %v", items, err)
		}
		if items, err = c.Stream(soon(t), 20, "Endless", "more"); err != nil || len(items) != 20 {
			t.Errorf("got %d items, error %v", len(items), err)
		}
		if err := within(t, river.stopped); err == nil {
			t.Error("a stream that was cancelled does not know")
		}
		if p == signalrtest.AspNet {
			return // it has only one of the ways
		}
		var sum int
		if err := c.Upload(soon(t), &sum, []any{1, 2, 3}, "Sum", 100); err != nil || sum != 106 {
			t.Errorf("the sum is %d, error %v", sum, err)
		}
		var answer string
		if err := errors.Join(c.Reply(soon(t), "Answer", "because"), c.Invoke(soon(t), &answer, "AskBack", "why")); err != nil || answer != "because" {
			t.Errorf("the answer is %q, error %v", answer, err)
		}
	})
}

func TestOfficialClientsHearWhatIsMeantForThem(t *testing.T) {
	officially(t, func(t *testing.T, p signalrtest.Package, o signalrtest.Options) {
		r := openRoom(t)
		jim, anna := r.enter(t, p, "jim", o), r.enter(t, p, "anna", o)
		if err := anna.Invoke(soon(t), nil, "Join", "g"); err != nil {
			t.Fatal(err)
		}
		err := errors.Join(
			r.User("jim").Send("Told", "jim only"),
			r.Group("g").Send("Told", "group only"),
			r.All().Send("Told", "all"),
		)
		if err != nil {
			t.Fatal(err)
		}
		wantEvent(t, jim, signalrtest.Call, `Told("jim only")`)
		wantEvent(t, jim, signalrtest.Call, `Told("all")`)
		wantEvent(t, anna, signalrtest.Call, `Told("group only")`)
		wantEvent(t, anna, signalrtest.Call, `Told("all")`)
	})
}

func TestOfficialClientsHearALotInOrder(t *testing.T) {
	officially(t, func(t *testing.T, p signalrtest.Package, o signalrtest.Options) {
		r := openRoom(t)
		c := r.enter(t, p, "jim", o)
		const messages = 500
		for i := range messages {
			if err := r.All().Send("Told", i, strings.Repeat("x", 100)); err != nil {
				t.Fatal(err)
			}
		}
		for i := range messages {
			e, err := c.WaitFor(soon(t), signalrtest.CallOf("Told"))
			if err != nil {
				t.Fatal(err)
			}
			if got := string(e.Args[0]); got != strconv.Itoa(i) {
				t.Fatalf("message %d is %s", i, got)
			}
		}
	})
}

// TestOfficialClientsFallBack has servers that do not offer WebSockets, and one
// whose proxy blocks what they do offer.
func TestOfficialClientsFallBack(t *testing.T) {
	all := clients(t, free)
	for name, tt := range map[string]struct {
		transports []signalr.Transport
		blocked    func(*http.Request) bool
	}{
		"to events":   {transports: []signalr.Transport{signalr.ServerSentEvents, signalr.LongPolling}},
		"to polling":  {transports: []signalr.Transport{signalr.LongPolling}},
		"off sockets": {blocked: func(r *http.Request) bool { return r.Header.Get("Upgrade") != "" }},
		"off sockets and events": {blocked: func(r *http.Request) bool {
			return r.Header.Get("Upgrade") != "" || r.Header.Get("Accept") == "text/event-stream"
		}},
	} {
		for _, client := range all {
			t.Run(client.name+" "+name, func(t *testing.T) {
				r := openRoom(t, tt.transports...)
				proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
					if tt.blocked != nil && tt.blocked(q) {
						w.WriteHeader(http.StatusForbidden)
						return
					}
					r.ServeHTTP(w, q)
				}))
				t.Cleanup(proxy.Close)
				r.url = proxy.URL + "/hub"
				c := r.enter(t, client.Package, "jim", client.Options)
				if err := c.Invoke(soon(t), nil, "Tell", "hello"); err != nil {
					t.Fatal(err)
				}
				wantEvent(t, c, signalrtest.Call, `Told("jim","avatar.svg","hello")`)
				if err := c.Stop(soon(t)); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestOfficialClientsAreRefusedWithoutAToken(t *testing.T) {
	for _, client := range clients(t, ways, direct) {
		t.Run(client.name, func(t *testing.T) {
			r := openRoom(t)
			c := signalrtest.Start(t, client.Package, r.url, "stranger", client.Options)
			if err := c.Connect(soon(t)); err == nil {
				t.Error("a stranger was let in")
			}
			if got := r.Connections(); got != 0 {
				t.Errorf("%d connections are left", got)
			}
		})
	}
}

func TestOfficialClientsAreToldWhyTheyAreLeft(t *testing.T) {
	officially(t, func(t *testing.T, p signalrtest.Package, o signalrtest.Options) {
		r := openRoom(t)
		c := r.enter(t, p, "jim", o)
		(<-r.conns).Close("revoked", false)
		wantEvent(t, c, signalrtest.Closed, "closed Server returned an error on close: revoked")
		if err := r.ending(t); err != nil {
			t.Errorf("the connection ended with %v, want cleanly", err)
		}
	})
}

// TestADrainedClientComesBack lets the client's next attempt reach another
// node, as a load balancer would.
func TestADrainedClientComesBack(t *testing.T) {
	for _, client := range clients(t, reconnecting(0, 100*time.Millisecond)) {
		t.Run(client.name, func(t *testing.T) { comesBack(t, client.Options) })
	}
}

func comesBack(t *testing.T, o signalrtest.Options) {
	t.Helper()
	var (
		first, second *room
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
	t.Cleanup(balancer.Close) // when the rooms have ended what waits
	first, second = openRoom(t), openRoom(t)

	c := signalrtest.Start(t, signalrtest.Microsoft, balancer.URL+"/hub", "jim", o)
	if err := errors.Join(c.On(soon(t), "Told"), c.Connect(soon(t))); err != nil {
		t.Fatal(err)
	}
	// A result says that the connection is in the diary.
	if err := c.Invoke(soon(t), nil, "Who"); err != nil {
		t.Fatal(err)
	}
	old.Delete("") // is a negotiation
	draining.Store(true)
	first.Drain(t.Context(), 0)
	wantEvent(t, c, signalrtest.Reconnecting, "reconnecting ")
	wantEvent(t, c, signalrtest.Reconnected, "reconnected ")
	if err := first.ending(t); err != nil {
		t.Errorf("the drained connection ended with %v", err)
	}
	if err := c.Invoke(soon(t), nil, "Tell", "back"); err != nil {
		t.Fatal(err)
	}
	wantEvent(t, c, signalrtest.Call, `Told("jim","avatar.svg","back")`)
}

func TestAnExpiredClientComesBackWithANewToken(t *testing.T) {
	for _, client := range clients(t, reconnecting(0)) {
		t.Run(client.name, func(t *testing.T) { comesBackWithANewToken(t, client.Options) })
	}
}

func comesBackWithANewToken(t *testing.T, o signalrtest.Options) {
	t.Helper()
	r := openRoom(t)
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

// TestANewTokenOfARequestKeepsAConnection has each request ask for a token. The
// newer client does so only when it is told to: it keeps the one that it connected
// with.
func TestANewTokenOfARequestKeepsAConnection(t *testing.T) {
	byRequests := maps.Clone(ways)
	maps.DeleteFunc(byRequests, func(_ string, o signalrtest.Options) bool { return o.Transport == "WebSockets" })
	for _, client := range clients(t, byRequests) {
		client.TokenPerRequest = client.Package == signalrtest.Microsoft
		t.Run(client.name, func(t *testing.T) { keepsItsConnection(t, client) })
	}
}

func keepsItsConnection(t *testing.T, client official) {
	t.Helper()
	var refused atomic.Bool // the old token, of what is sent: a poll may be on its way
	end := map[string]time.Time{"old": time.Now().Add(time.Hour), "new": time.Now().Add(2 * time.Hour)}
	r := openHub(t, newDiary(signalr.Options{Identify: func(r *http.Request) (signalr.Identity, error) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok {
			token = r.URL.Query().Get("access_token")
		}
		if end[token].IsZero() || (token == "old" && refused.Load() && r.Method == http.MethodPost) {
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
	refused.Store(true)
	var id string
	if err := c.Invoke(soon(t), &id, "Who"); err != nil || id != conn.ID() {
		t.Errorf("connection %s is now %q, %v", conn.ID(), id, err)
	}
	if got := conn.Expiry(); !got.Equal(end["new"]) {
		t.Errorf("it ends at %s, want when its new token does: %s", got, end["new"])
	}
}

func TestAKilledClientIsABrokenConnection(t *testing.T) {
	r := openRoom(t)
	t.Run("client", func(t *testing.T) {
		c := signalrtest.Start(t, signalrtest.Microsoft, r.url, "jim", signalrtest.Options{})
		if err := c.Connect(soon(t)); err != nil {
			t.Fatal(err)
		}
	})
	if err := r.ending(t); err == nil {
		t.Error("the connection ended cleanly")
	}
}

// TestAClosedPageIsAConnectionThatEnds has nobody wait for the client's timeout.
// A page that polls says nothing when it goes.
func TestAClosedPageIsAConnectionThatEnds(t *testing.T) {
	for _, client := range clients(t, ways) {
		if client.Browser == nil {
			continue
		}
		t.Run(client.name, func(t *testing.T) {
			r := openRoom(t)
			c := r.enter(t, client.Package, "jim", client.Options)
			if err := errors.Join(c.Invoke(soon(t), nil, "Who"), c.Leave(soon(t))); err != nil {
				t.Fatal(err)
			}
			if err := r.ending(t); (err != nil) != (client.Transport == "LongPolling") {
				t.Errorf("the connection ended with %v", err)
			}
		})
	}
}
