package signalr_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"parley.internal/pkg/signalr"
)

func TestHandshakeChoosesTheProtocol(t *testing.T) {
	const unexpected = `{"error":"An unexpected error occurred during connection handshake."}`
	tests := map[string]struct {
		send, want string
		binary     bool
		rejected   bool
	}{
		"version 1":           {send: `{"protocol":"json","version":1}`, want: `{}`},
		"version 2":           {send: `{"protocol":"json","version":2}`, want: `{}`},
		"in a binary frame":   {send: `{"protocol":"json","version":1}`, want: `{}`, binary: true},
		"with unknown fields": {send: `{"x":1,"version":1,"protocol":"json"}`, want: `{}`},
		"another protocol":    {send: `{"protocol":"messagepack","version":1}`, want: `{}`, binary: true},
		"an unknown protocol": {send: `{"protocol":"xml","version":1}`, want: `{"error":"The protocol 'xml' is not supported."}`, rejected: true},
		"a later version":     {send: `{"protocol":"json","version":3}`, want: `{"error":"The server does not support version 3 of the 'json' protocol."}`, rejected: true},
		"version 0":           {send: `{"protocol":"json","version":0}`, want: `{"error":"The server does not support version 0 of the 'json' protocol."}`, rejected: true},
		"no version":          {send: `{"protocol":"json"}`, want: unexpected, rejected: true},
		"no protocol":         {send: `{"version":1}`, want: unexpected, rejected: true},
		"a message instead":   {send: `{"type":6}`, want: unexpected, rejected: true},
		"invalid JSON":        {send: `GET / HTTP/1.1`, want: unexpected, rejected: true},
		"an empty record":     {send: ``, want: unexpected, rejected: true},
		"too large":           {send: strings.Repeat("x", 40_000), want: unexpected, rejected: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			serve(t, methodHub, func(t *testing.T, _ *signalr.Hub, n *network) {
				c := n.open(t, "/hub", nil)
				kind := websocket.TextMessage
				if tt.binary {
					kind = websocket.BinaryMessage
				}
				_ = c.ws.WriteMessage(kind, []byte(tt.send+sep)) // too large, and rejected before the end
				c.expect(tt.want)
				if tt.rejected {
					c.expectEnd()
					return
				}
				c.expectNothing()
				_ = c.ws.Close()
			})
		})
	}
}

func TestHandshakeTimesOut(t *testing.T) {
	serve(t, methodHub, func(t *testing.T, h *signalr.Hub, n *network) {
		start := time.Now()
		c := n.open(t, "/hub", nil)
		pass(14 * time.Second)
		c.send(`{"protocol":"js`) // and dribbles
		c.expect(`{"error":"Handshake was canceled."}`)
		c.expectEnd()
		if got := time.Since(start); got != 15*time.Second {
			t.Errorf("disconnected after %s, want 15s", got)
		}
		synctest.Wait()
		if got := h.Connections(); got != 0 {
			t.Errorf("got %d connections, want 0", got)
		}
	})
}

func TestClientMayLeaveDuringTheHandshake(t *testing.T) {
	serve(t, methodHub, func(t *testing.T, h *signalr.Hub, n *network) {
		c := n.open(t, "/hub", nil)
		_ = c.ws.Close()
		if err := h.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
