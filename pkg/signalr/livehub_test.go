package signalr_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"parley.internal/pkg/signalr"
	"parley.internal/pkg/signalr/signalrtest"
)

// liveHub is a hub on a real socket. The token is the name of the user.
type liveHub struct {
	*recorder

	url string
}

func openLiveHub(t *testing.T, transports ...signalr.Transport) *liveHub {
	t.Helper()
	r := &liveHub{recorder: newRecorder(signalr.Options{Transports: transports, DisconnectTimeout: 5 * time.Second, Identify: func(r *http.Request) (signalr.Identity, error) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok {
			token = r.URL.Query().Get("access_token")
		}
		if token == "" || token == "stranger" {
			return signalr.Identity{}, errors.New("unknown token")
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
	return openHub(t, r.recorder)
}

// openHub serves a recorder on a real socket.
func openHub(t *testing.T, d *recorder) *liveHub {
	t.Helper()
	server := httptest.NewServer(d)
	r := &liveHub{recorder: d, url: server.URL + "/hub"}
	t.Cleanup(func() {
		r.empty(t)
		server.Close()
	})
	return r
}

// empty closes all connections.
func (r *liveHub) empty(t *testing.T) {
	t.Helper()
	r.Drain(t.Context(), 0)
	if err := r.Wait(soon(t)); err != nil {
		t.Error(err)
	}
}

// soon returns a context with a deadline that only a failure reaches.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// within receives an error before the deadline of soon. Outside of a bubble a deadlock is not detected.
func within(t *testing.T, errs <-chan error) error {
	t.Helper()
	select {
	case err := <-errs:
		return err
	case <-soon(t).Done():
		t.Fatal("no connection ended")
		return nil
	}
}

// enter connects an official client. The client stays until the hub has been emptied: the hub would
// wait for a client that polls and has gone.
func (r *liveHub) enter(t *testing.T, p signalrtest.Package, user string, o signalrtest.Options) *signalrtest.Client {
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
