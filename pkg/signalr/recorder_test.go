package signalr_test

import (
	"context"
	"testing"
	"time"

	"parley.internal/pkg/signalr"
)

// recorder is a hub that records connections, calls and the ends of connections.
type recorder struct {
	*signalr.Hub

	conns chan *signalr.Conn
	calls chan string
	ended chan error
}

func newRecorder(o signalr.Options) *recorder {
	o.Logger = quiet
	d := &recorder{
		Hub:   signalr.New(o),
		conns: make(chan *signalr.Conn, 100),
		calls: make(chan string, 100),
		ended: make(chan error, 100),
	}
	d.OnConnect(func(_ context.Context, c *signalr.Conn) error {
		d.conns <- c
		return nil
	})
	d.OnDisconnect(func(_ *signalr.Conn, err error) { d.ended <- err })
	d.Handle("Note", signalr.Action1(func(ctx context.Context, _ *signalr.Conn, text string) error {
		select {
		case <-time.After(3 * time.Second): // a slow note
			d.calls <- text
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}))
	return d
}

// withRecorder runs fn against a recorder.
func withRecorder(t *testing.T, o signalr.Options, fn func(t *testing.T, d *recorder, n *network)) {
	t.Helper()
	var d *recorder
	hub := func() *signalr.Hub {
		d = newRecorder(o)
		return d.Hub
	}
	serve(t, hub, func(t *testing.T, _ *signalr.Hub, n *network) { fn(t, d, n) })
}

// end waits for the end of a connection on a real socket and returns its error.
func (d *recorder) end(t *testing.T) error {
	t.Helper()
	return within(t, d.ended)
}

// wantEnd waits for the end of a connection. It is for a synctest bubble, where an endless wait is a
// deadlock.
func (d *recorder) wantEnd(t *testing.T, clean bool) {
	t.Helper()
	if err := <-d.ended; (err == nil) != clean {
		t.Errorf("the connection ended with %v, want clean: %v", err, clean)
	}
	if err := d.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	select {
	case err := <-d.ended:
		t.Errorf("the connection ended again with %v", err)
	default:
	}
}

// wantOnlyThisBroken checks that a malformed message disconnects its client and no other.
func (d *recorder) wantOnlyThisBroken(t *testing.T, c, other *client) {
	t.Helper()
	c.expect(`{"type":7,"error":"Connection closed with an error.","allowReconnect":true}`)
	c.expectEnd()
	if err := <-d.ended; err == nil {
		t.Error("the connection ended cleanly")
	}
	if err := d.All().Send("StillHere"); err != nil {
		t.Fatal(err)
	}
	other.expect(`{"type":1,"target":"StillHere","arguments":[]}`)
}
