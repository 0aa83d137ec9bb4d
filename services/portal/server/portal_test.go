package server_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	chat "parley.internal/chat/server"
	"parley.internal/pkg/auth"
	"parley.internal/pkg/signalr/signalrtest"
	"parley.internal/portal/portaltest"
	"parley.internal/portal/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

var secret = []byte(strings.Repeat("s", auth.MinSecret))

// start runs a portal with its databases in a folder until the test ends or stop is called.
func start(t *testing.T, folder string, change ...func(*server.Config)) (url string, stop func()) {
	t.Helper()
	cfg := server.Config{
		PolicyDatabaseURL: "sqlite:" + filepath.Join(folder, "policy.db"),
		ChatDatabaseURL:   "sqlite:" + filepath.Join(folder, "chat.db"),
		DatabaseURL:       "sqlite:" + filepath.Join(folder, "portal.db"),
		Secret:            secret,
		Limits:            chat.Limits{MessageRate: 20, Connections: 20},
		Log:               slog.New(slog.DiscardHandler),
	}
	for _, change := range change {
		change(&cfg)
	}
	s, err := server.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return run(t, s.Run)
}

// run runs a service until the test ends or stop is called.
func run(t *testing.T, serve func(context.Context, net.Listener) error) (url string, stop func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := serve(ctx, listener); err != nil {
			t.Error(err)
		}
	})
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	return "http://" + listener.Addr().String(), stop
}

// deadline returns a context that ends after patience.
func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// agent is an agent with an official SignalR client and a REST client.
type agent struct {
	*portaltest.Client

	hub *signalrtest.Client
}

func connect(t *testing.T, client signalrtest.Package, url, login, password string) agent {
	t.Helper()
	a := agent{Client: portaltest.SignedIn(t, url, login, password)}
	a.HTTP.CloseIdleConnections()
	a.hub = signalrtest.Start(t, client, url+"/agentsChat", a.Token, signalrtest.Options{})
	ctx := deadline(t)
	if err := errors.Join(a.hub.On(ctx, "ReceiveMessage", "ReceiveNotification"), a.hub.Connect(ctx)); err != nil {
		t.Fatal(err)
	}
	return a
}

// wantCall waits for this exact call of the server.
func (a agent) wantCall(t *testing.T, call string) {
	t.Helper()
	if _, err := a.hub.WaitFor(deadline(t), func(e signalrtest.Event) bool { return e.String() == call }); err != nil {
		t.Errorf("%s did not arrive: %v; got %v", call, err, a.hub.Events())
	}
}

func (a agent) buy(t *testing.T, key string) (policy string) {
	t.Helper()
	offer, err := a.Offer(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	policy, err = a.Buy(deadline(t), offer, key)
	if err != nil {
		t.Fatal(err)
	}
	return policy
}

func TestOfficialClientsChat(t *testing.T) {
	for _, client := range []signalrtest.Package{signalrtest.Microsoft, signalrtest.AspNet} {
		t.Run(string(client), func(t *testing.T) {
			url, _ := start(t, t.TempDir())
			danny := connect(t, client, url, "danny.solid", "secret")
			jimmy := connect(t, client, url, "jimmy.solid", "secret")
			ctx := deadline(t)

			danny.wantCall(t, `ReceiveNotification("jimmy.solid join chat")`)
			policy := jimmy.buy(t, "one")
			danny.wantCall(t, `ReceiveNotification("jimmy.solid just sold policy for TRI!!!")`)
			jimmy.wantCall(t, `ReceiveNotification("jimmy.solid just sold policy for TRI!!!")`)

			if err := jimmy.hub.Invoke(ctx, nil, "SendMessage", "hello <b>all</b>"); err != nil {
				t.Error(err)
			}
			if err := jimmy.hub.Send(ctx, "sendMessage", "no answer wanted"); err != nil {
				t.Error(err)
			}
			for _, text := range []string{"hello <b>all</b>", "no answer wanted"} {
				call := `ReceiveMessage("jimmy.solid","/avatars/jimmy.solid.svg","` + text + `")`
				danny.wantCall(t, call)
				jimmy.wantCall(t, call)
			}

			a, err := jimmy.Do(ctx, "POST", "/api/policies/"+policy+"/termination",
				map[string]string{"terminationDate": time.Now().UTC().Format(time.DateOnly)})
			if err != nil || a.Status != 200 {
				t.Errorf("termination: got %d %s, error %v", a.Status, a.Body, err)
			}
			danny.wantCall(t, `ReceiveNotification("jimmy.solid terminated policy `+policy+` (TRI)")`)
			jimmy.wantCall(t, `ReceiveNotification("jimmy.solid terminated policy `+policy+` (TRI)")`)

			if err := jimmy.hub.Stop(ctx); err != nil {
				t.Error(err)
			}
			danny.wantCall(t, `ReceiveNotification("jimmy.solid left chat")`)
			if rest := jimmy.hub.Events(); len(rest) > 1 { // the close alone
				t.Errorf("got events %v after leaving, want the close alone", rest)
			}
		})
	}
}

func TestInvalidHubCallsAreRejected(t *testing.T) {
	for _, client := range []signalrtest.Package{signalrtest.Microsoft, signalrtest.AspNet} {
		t.Run(string(client), func(t *testing.T) {
			url, _ := start(t, t.TempDir())
			jimmy := connect(t, client, url, "jimmy.solid", "secret")
			ctx := deadline(t)
			failed := "Failed to invoke 'SendMessage' due to an error on the server."
			refused := "An unexpected error occurred invoking 'SendMessage' on the server. HubException: "
			for _, tt := range []struct {
				target string
				args   []any
				err    string // suffix
			}{
				{"Nothing", nil, "Unknown hub method 'Nothing'"},
				{"ReceiveMessage", []any{"a", "b", "c"}, "Unknown hub method 'ReceiveMessage'"},
				{"SendMessage", nil, failed},
				{"SendMessage", []any{1}, failed},
				{"SendMessage", []any{"a", "b"}, failed},
				{"SendMessage", []any{map[string]string{"text": "a"}}, failed},
				{"SendMessage", []any{[]string{"a"}}, failed},
				{"SendMessage", []any{""}, refused + "there is nothing in the message"},
				{"SendMessage", []any{" \n "}, refused + "there is nothing in the message"},
				{"SendMessage", []any{nil}, refused + "there is nothing in the message"},
				{"SendMessage", []any{strings.Repeat("x", 4001)}, refused + "a message has at most 4000 characters"},
				{"SendMessage", []any{"a\x00b"}, refused + "the message holds characters that are not text"},
			} {
				err := jimmy.hub.Invoke(ctx, nil, tt.target, tt.args...)
				if err == nil || !strings.HasSuffix(err.Error(), tt.err) {
					t.Errorf("%s: got error %v, want %q", tt.target, err, tt.err)
				}
			}
			if err := jimmy.hub.Send(ctx, "Nothing"); err != nil {
				t.Error(err)
			}
			if err := jimmy.hub.Invoke(ctx, nil, "SendMessage", "still connected"); err != nil {
				t.Error(err)
			}
			entries, _, err := jimmy.Since(ctx, "2020-01-01T00:00:00Z")
			if err != nil || len(entries) != 1 || entries[0].Body != "still connected" {
				t.Errorf("got entries %v, error %v, want the last message alone", entries, err)
			}
		})
	}
}

func TestMessagesAreRateLimitedPerAgent(t *testing.T) {
	url, _ := start(t, t.TempDir(), func(c *server.Config) { c.Limits.MessageRate = 1 })
	jimmy := connect(t, signalrtest.Microsoft, url, "jimmy.solid", "secret")
	var err error
	for range 5 {
		err = errors.Join(err, jimmy.hub.Invoke(deadline(t), nil, "SendMessage", "again"))
	}
	if err == nil || !strings.Contains(err.Error(), "too many messages at once") {
		t.Errorf("got error %v, want too many messages", err)
	}
	a, err := jimmy.Do(deadline(t), "POST", "/api/messages", map[string]string{"text": "over REST"})
	if err != nil || a.Status != 429 {
		t.Errorf("REST: got status %d, error %v, want 429", a.Status, err)
	}
}

func TestConnectionsAreLimitedPerAgent(t *testing.T) {
	url, _ := start(t, t.TempDir(), func(c *server.Config) { c.Limits.Connections = 1 })
	jimmy := connect(t, signalrtest.Microsoft, url, "jimmy.solid", "secret")
	second := signalrtest.Start(t, signalrtest.Microsoft, url+"/agentsChat", jimmy.Token, signalrtest.Options{})
	// The server closes right after the handshake: during Connect or later.
	if err := second.Connect(deadline(t)); err != nil {
		if !strings.Contains(err.Error(), "too many connections") {
			t.Error(err)
		}
	} else if closed, err := second.WaitFor(deadline(t), signalrtest.KindOf(signalrtest.Closed)); err != nil ||
		!strings.Contains(closed.Error, "too many connections") {
		t.Errorf("got close event %v, error %v, want too many connections", closed, err)
	}
	connect(t, signalrtest.Microsoft, url, "danny.solid", "secret")
	jimmy.wantCall(t, `ReceiveNotification("danny.solid join chat")`)
}

func TestNothingIsLostAcrossRestart(t *testing.T) {
	folder := t.TempDir()
	url, stop := start(t, folder)
	jimmy, danny := portaltest.SignedIn(t, url, "jimmy.solid", "secret"), portaltest.SignedIn(t, url, "danny.solid", "secret")
	ctx := deadline(t)
	_, cursor, err := danny.Since(ctx, time.Now().Format(time.RFC3339))
	if err != nil {
		t.Fatal(err)
	}
	post := func(c *portaltest.Client, text, id string) {
		t.Helper()
		a, err := c.Do(ctx, "POST", "/api/messages", map[string]string{"text": text, "clientId": id})
		if err != nil || a.Status != 201 {
			t.Errorf("post: got %d %s, error %v, want 201", a.Status, a.Body, err)
		}
	}
	post(jimmy, "one", "1")
	post(jimmy, "one", "1") // a retry
	agent{Client: jimmy}.buy(t, "one")
	stop()
	url, _ = start(t, folder)
	jimmy.URL, danny.URL = url, url
	post(jimmy, "two", "2")

	// Events pending at the stop are published after the restart.
	var bodies []string
	for ctx.Err() == nil && len(bodies) < 3 {
		entries, _, err := danny.Since(ctx, cursor)
		if err != nil {
			t.Fatal(err)
		}
		bodies = nil
		for _, e := range entries {
			bodies = append(bodies, e.Body)
		}
	}
	wantEach(t, bodies, "one", "jimmy.solid just sold policy for TRI!!!", "two")
	policies, err := jimmy.Policies(ctx)
	if err != nil || len(policies) != 1 {
		t.Errorf("got policies %v, error %v, want one", policies, err)
	}
}

// wantEach compares two lists, ignoring the order.
func wantEach(t *testing.T, got []string, want ...string) {
	t.Helper()
	seen := map[string]int{}
	for _, s := range got {
		seen[s]++
	}
	for _, s := range want {
		if seen[s] != 1 {
			t.Errorf("got %q %d times in %q, want once", s, seen[s], got)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
