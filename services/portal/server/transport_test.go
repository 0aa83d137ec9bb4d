package server_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	chat "parley.internal/chat/server"
	"parley.internal/pkg/daemon"
	"parley.internal/pkg/signalr/signalrtest"
	"parley.internal/portal/portaltest"
	"parley.internal/portal/server"
)

// startChat starts a chat service outside the portal.
func startChat(t *testing.T) (url string) {
	t.Helper()
	s, err := chat.New(t.Context(), chat.Config{
		DatabaseURL: "sqlite:" + filepath.Join(t.TempDir(), "chat.db"), Secret: secret, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	url, _ = run(t, func(ctx context.Context, listener net.Listener) error { return daemon.Serve(ctx, listener, s) })
	return url
}

// TestOfficialClientsChatOverEachTransport uses the original's client with chat in
// the portal, and today's client with chat behind the portal.
func TestOfficialClientsChatOverEachTransport(t *testing.T) {
	for _, transport := range []string{"WebSockets", "ServerSentEvents", "LongPolling"} {
		t.Run(transport+" in the portal", func(t *testing.T) {
			url, stop := start(t, t.TempDir())
			danny := chatOver(t, transport, signalrtest.AspNet, url)
			stop() // fails the test if the stop is not clean
			e := danny.waitClosed(t)
			if transport == "ServerSentEvents" {
				return // The original's client may report the end of the response as an error.
			}
			if e.String() != "closed " {
				t.Errorf("got event %q at the stop, want a close without error", e)
			}
		})
		t.Run(transport+" behind the portal", func(t *testing.T) {
			url, stop := start(t, t.TempDir(), func(c *server.Config) { c.ChatURL = startChat(t) })
			danny := chatOver(t, transport, signalrtest.Microsoft, url)
			stop()
			danny.waitClosed(t)
		})
	}
}

func chatOver(t *testing.T, transport string, client signalrtest.Package, url string) (danny agent) {
	t.Helper()
	danny = connectOver(t, client, url, "danny.solid", transport)
	jimmy := connectOver(t, client, url, "jimmy.solid", transport)
	danny.wantCall(t, `ReceiveNotification("jimmy.solid join chat")`)
	if err := jimmy.hub.Invoke(deadline(t), nil, "SendMessage", "hello"); err != nil {
		t.Error(err)
	}
	for _, a := range []agent{danny, jimmy} {
		a.wantCall(t, `ReceiveMessage("jimmy.solid","/avatars/jimmy.solid.svg","hello")`)
	}
	wantMetric(t, url, `parley_hub_connections{hub="/agentsChat",transport="`+transport+`"} 2`)
	wantMetric(t, url, `parley_hub_connections{hub="/hub",transport="`+transport+`"} 0`)
	if err := jimmy.hub.Stop(deadline(t)); err != nil {
		t.Error(err)
	}
	danny.wantCall(t, `ReceiveNotification("jimmy.solid left chat")`)
	return danny
}

// waitClosed waits until the agent's connection is closed.
func (a agent) waitClosed(t *testing.T) signalrtest.Event {
	t.Helper()
	e, err := a.hub.WaitFor(deadline(t), signalrtest.KindOf(signalrtest.Closed))
	if err != nil {
		t.Error(err)
	}
	return e
}

// wantMetric waits for a line of /metrics.
func wantMetric(t *testing.T, url, line string) {
	t.Helper()
	ctx := deadline(t)
	client := http.Client{Timeout: time.Minute}
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(r)
		if err != nil {
			t.Fatalf("wait for %s: %v", line, err)
		}
		metrics, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil {
			t.Fatalf("wait for %s: %v", line, err)
		}
		if strings.Contains(string(metrics), line+"\n") {
			return
		}
	}
}

func connectOver(t *testing.T, client signalrtest.Package, url, login, transport string) agent {
	t.Helper()
	a := agent{Client: portaltest.SignedIn(t, url, login, "secret")}
	a.HTTP.CloseIdleConnections()
	a.hub = signalrtest.Start(t, client, url+"/agentsChat", a.Token, signalrtest.Options{Transport: transport})
	ctx := deadline(t)
	if err := errors.Join(a.hub.On(ctx, "ReceiveMessage", "ReceiveNotification"), a.hub.Connect(ctx)); err != nil {
		t.Fatal(err)
	}
	return a
}
