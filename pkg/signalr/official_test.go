package signalr_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"parley.internal/pkg/signalr"
	"parley.internal/pkg/signalr/signalrtest"
)

var officials = []signalrtest.Package{signalrtest.Microsoft, signalrtest.AspNet}

// ways are the transports as options of an official client, by name.
var ways = map[string]signalrtest.Options{
	"WebSockets":       {Transport: "WebSockets"},
	"ServerSentEvents": {Transport: "ServerSentEvents"},
	"LongPolling":      {Transport: "LongPolling"},

	"WebSockets in MessagePack":  {Transport: "WebSockets", MessagePack: true},
	"LongPolling in MessagePack": {Transport: "LongPolling", MessagePack: true},
}

// official is a supported client with its options.
type official struct {
	name string
	signalrtest.Package
	signalrtest.Options
}

// clients returns the official clients, in Node and in Chromium, with each of the given options.
func clients(t *testing.T, ways ...map[string]signalrtest.Options) (all []official) {
	t.Helper()
	places := map[string]*signalrtest.Browser{"Node": nil, "Chromium": signalrtest.OpenBrowser(t)}
	for place, browser := range places {
		for _, p := range officials {
			for _, some := range ways {
				for way, o := range some {
					if p == signalrtest.AspNet && (o.MessagePack || o.Reconnect != nil) {
						continue // its MessagePack package has another major version, and it cannot reconnect
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

// direct is a client without negotiation.
var direct = map[string]signalrtest.Options{"skipping negotiation": {SkipNegotiation: true}}

// free is a client that chooses the best working transport.
var free = map[string]signalrtest.Options{"the best way": {}}

func TestOfficialClients(t *testing.T) {
	for _, client := range clients(t, ways, free, direct) {
		t.Run(client.name, func(t *testing.T) {
			r := openLiveHub(t)
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
			if err := r.end(t); err != nil {
				t.Errorf("the connection ended with %v, want cleanly", err)
			}
		})
	}
}

func TestOfficialClientsStream(t *testing.T) {
	officially(t, func(t *testing.T, p signalrtest.Package, o signalrtest.Options) {
		streamHub := newStreamHub()
		r := openHub(t, streamHub.recorder)
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
		if err := within(t, streamHub.stopped); err == nil {
			t.Error("the context of a cancelled stream is not done")
		}
		if p == signalrtest.AspNet {
			return // the client supports a subset
		}
		var sum int
		if err := c.Upload(soon(t), &sum, []any{1, 2, 3}, "Sum", 100); err != nil || sum != 106 {
			t.Errorf("got sum %d, error %v", sum, err)
		}
		var answer string
		if err := errors.Join(c.Reply(soon(t), "Answer", "because"), c.Invoke(soon(t), &answer, "AskBack", "why")); err != nil || answer != "because" {
			t.Errorf("got answer %q, error %v", answer, err)
		}
	})
}

func TestOfficialClientsGetMessagesForTheirAudience(t *testing.T) {
	officially(t, func(t *testing.T, p signalrtest.Package, o signalrtest.Options) {
		r := openLiveHub(t)
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

func TestOfficialClientsGetManyMessagesInOrder(t *testing.T) {
	officially(t, func(t *testing.T, p signalrtest.Package, o signalrtest.Options) {
		r := openLiveHub(t)
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

// TestOfficialClientsFallBack has servers without WebSockets, and a proxy that blocks the offered
// transports.
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
				r := openLiveHub(t, tt.transports...)
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

func TestOfficialClientsNeedAToken(t *testing.T) {
	for _, client := range clients(t, ways, direct) {
		t.Run(client.name, func(t *testing.T) {
			r := openLiveHub(t)
			c := signalrtest.Start(t, client.Package, r.url, "stranger", client.Options)
			if err := c.Connect(soon(t)); err == nil {
				t.Error("a client without a valid token was admitted")
			}
			if got := r.Connections(); got != 0 {
				t.Errorf("got %d connections, want 0", got)
			}
		})
	}
}

func TestOfficialClientsGetTheCloseReason(t *testing.T) {
	officially(t, func(t *testing.T, p signalrtest.Package, o signalrtest.Options) {
		r := openLiveHub(t)
		c := r.enter(t, p, "jim", o)
		(<-r.conns).Close("revoked", false)
		wantEvent(t, c, signalrtest.Closed, "closed Server returned an error on close: revoked")
		if err := r.end(t); err != nil {
			t.Errorf("the connection ended with %v, want cleanly", err)
		}
	})
}

func TestKilledClientIsABrokenConnection(t *testing.T) {
	r := openLiveHub(t)
	t.Run("client", func(t *testing.T) {
		c := signalrtest.Start(t, signalrtest.Microsoft, r.url, "jim", signalrtest.Options{})
		if err := c.Connect(soon(t)); err != nil {
			t.Fatal(err)
		}
	})
	if err := r.end(t); err == nil {
		t.Error("the connection ended cleanly")
	}
}

// TestClosedPageEndsTheConnection closes pages: the hub notices before the client timeout. A page that
// polls sends nothing when it closes.
func TestClosedPageEndsTheConnection(t *testing.T) {
	for _, client := range clients(t, ways) {
		if client.Browser == nil {
			continue
		}
		t.Run(client.name, func(t *testing.T) {
			r := openLiveHub(t)
			c := r.enter(t, client.Package, "jim", client.Options)
			if err := errors.Join(c.Invoke(soon(t), nil, "Who"), c.Leave(soon(t))); err != nil {
				t.Fatal(err)
			}
			if err := r.end(t); (err != nil) != (client.Transport == "LongPolling") {
				t.Errorf("the connection ended with %v", err)
			}
		})
	}
}
