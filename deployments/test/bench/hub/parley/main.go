// Command parley serves a hub of pkg/signalr that broadcasts received texts to
// one group.
package main

import (
	"context"

	"parley.internal/bench/hub/listen"
	"parley.internal/pkg/signalr"
)

const everybody = "everybody"

func main() {
	hub := signalr.New(signalr.Options{})
	hub.OnConnect(func(_ context.Context, c *signalr.Conn) error {
		hub.Join(c, everybody)
		return nil
	})
	// A reply confirms that OnConnect has returned.
	hub.Handle("Ready", signalr.Action0(func(context.Context, *signalr.Conn) error { return nil }))
	hub.Handle("Send", signalr.Action1(func(_ context.Context, _ *signalr.Conn, text string) error {
		return hub.Group(everybody).Send("Receive", text)
	}))
	listen.Serve(hub)
}
