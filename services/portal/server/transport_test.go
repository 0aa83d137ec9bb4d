package server_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	chat "parley.internal/chat/server"
	"parley.internal/pkg/signalr/signalrtest"
	"parley.internal/portal/portaltest"
	"parley.internal/portal/server"
)

// chatElsewhere is a chat service as a program of its own.
func chatElsewhere(t *testing.T) (url string) {
	t.Helper()
	s, err := chat.New(t.Context(), chat.Config{
		DatabaseURL: "sqlite:" + filepath.Join(t.TempDir(), "chat.db"), Secret: secret, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	url, _ = serving(t, s.Serve)
	return url
}

// TestTheOfficialClientsChatOverEachTransport has chat in the portal, with the
// original's client, and behind it with today's.
func TestTheOfficialClientsChatOverEachTransport(t *testing.T) {
	for _, transport := range []string{"WebSockets", "ServerSentEvents", "LongPolling"} {
		t.Run(transport+" in the portal", func(t *testing.T) {
			url, stop := start(t, t.TempDir())
			danny := chatOver(t, transport, signalrtest.AspNet, url)
			stop() // A stop that is not clean fails the test.
			e := danny.closes(t)
			if transport == "ServerSentEvents" {
				return // The original's client may take the end of the answer for a broken one.
			}
			if e.String() != "closed " {
				t.Errorf("a client was told %q at the stop, want no error", e)
			}
		})
		t.Run(transport+" behind the portal", func(t *testing.T) {
			url, stop := start(t, t.TempDir(), func(c *server.Config) { c.ChatURL = chatElsewhere(t) })
			danny := chatOver(t, transport, signalrtest.Microsoft, url)
			stop()
			danny.closes(t)
		})
	}
}

func chatOver(t *testing.T, transport string, client signalrtest.Package, url string) (danny agent) {
	t.Helper()
	danny = connectOver(t, client, url, "danny.solid", transport)
	jimmy := connectOver(t, client, url, "jimmy.solid", transport)
	danny.hears(t, `ReceiveNotification("jimmy.solid join chat")`)
	if err := jimmy.hub.Invoke(patient(t), nil, "SendMessage", "hello"); err != nil {
		t.Error(err)
	}
	for _, a := range []agent{danny, jimmy} {
		a.hears(t, `ReceiveMessage("jimmy.solid","/avatars/jimmy.solid.svg","hello")`)
	}
	wantFigure(t, url, `parley_hub_connections{hub="/agentsChat",transport="`+transport+`"} 2`)
	wantFigure(t, url, `parley_hub_connections{hub="/hub",transport="`+transport+`"} 0`)
	if err := jimmy.hub.Stop(patient(t)); err != nil {
		t.Error(err)
	}
	danny.hears(t, `ReceiveNotification("jimmy.solid left chat")`)
	return danny
}

// closes waits until the agent's connection has ended.
func (a agent) closes(t *testing.T) signalrtest.Event {
	t.Helper()
	e, err := a.hub.WaitFor(patient(t), signalrtest.KindOf(signalrtest.Closed))
	if err != nil {
		t.Error(err)
	}
	return e
}

// wantFigure waits for a line of the metrics.
func wantFigure(t *testing.T, url, line string) {
	t.Helper()
	ctx := patient(t)
	client := http.Client{Timeout: time.Minute}
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatalf("wait for %s: %v", line, err)
		}
		figures, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil {
			t.Fatalf("wait for %s: %v", line, err)
		}
		if strings.Contains(string(figures), line+"\n") {
			return
		}
	}
}

func connectOver(t *testing.T, client signalrtest.Package, url, login, transport string) agent {
	t.Helper()
	a := agent{Client: portaltest.SignedIn(t, url, login, "secret")}
	a.HTTP.CloseIdleConnections()
	a.hub = signalrtest.Start(t, client, url+"/agentsChat", a.Token, signalrtest.Options{Transport: transport})
	ctx := patient(t)
	if err := errors.Join(a.hub.On(ctx, "ReceiveMessage", "ReceiveNotification"), a.hub.Connect(ctx)); err != nil {
		t.Fatal(err)
	}
	return a
}
