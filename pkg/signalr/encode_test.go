package signalr_test

import (
	"context"
	"encoding/binary"
	"iter"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"parley.internal/pkg/signalr"
)

// nested returns a list of a given depth.
func nested(depth int) any {
	var v any
	for range depth {
		v = []any{v}
	}
	return v
}

// TestTooDeepValueIsAnErrorForTheSender sends values that encoding/json encodes and does not decode:
// the MessagePack codec has to decode them.
func TestTooDeepValueIsAnErrorForTheSender(t *testing.T) {
	const most = 10_000
	hub := func() *signalr.Hub {
		h := signalr.New(signalr.Options{Logger: quiet})
		h.Handle("Wrap", signalr.Func1(func(_ context.Context, _ *signalr.Conn, depth int) (any, error) { return nested(depth), nil }))
		h.Handle("Flow", signalr.Stream1(func(_ context.Context, _ *signalr.Conn, depth int) (iter.Seq2[any, error], error) {
			return func(yield func(any, error) bool) { yield(nested(depth), nil) }, nil
		}))
		h.Handle("Push", signalr.Func1(func(ctx context.Context, c *signalr.Conn, depth int) (rejected int, err error) {
			for _, send := range []func(any) error{
				func(v any) error { return c.Send("Take", v) },
				func(v any) error { return h.All().Send("Take", v) },
				func(v any) error { _, err := c.SendWithin(1<<20, "Take", v); return err },
				func(v any) error { _, err := signalr.Call[any](ctx, c, "Take", v); return err },
			} {
				if send(nested(depth)) != nil {
					rejected++
				}
			}
			return rejected, nil
		}))
		return h
	}
	serve(t, hub, func(t *testing.T, _ *signalr.Hub, n *network) {
		c := n.open(t, "/hub", nil)
		c.send(`{"protocol":"messagepack","version":1}` + sep)
		c.expect(`{}`)
		call := func(kind byte, target string, depth uint16) string {
			t.Helper()
			m := []byte{0x96, kind, 0x80, 0xa1, '1', 0xa4}
			m = append(append(m, target...), 0x91, 0xcd)
			m = append(binary.BigEndian.AppendUint16(m, depth), 0x90)
			if err := c.ws.WriteMessage(websocket.BinaryMessage, append([]byte{byte(len(m))}, m...)); err != nil {
				t.Fatal(err)
			}
			return <-c.records
		}
		if got := call(1, "Wrap", most); !strings.Contains(got, strings.Repeat("\x91", most)) {
			t.Errorf("the deepest possible result has %d bytes", len(got))
		}
		if got := call(1, "Wrap", most+1); !strings.Contains(got, "An unexpected error occurred invoking 'Wrap' on the server.") {
			t.Errorf("a result too deep has %d bytes: %.100q", len(got), got)
		}
		if got := call(4, "Flow", most+1); !strings.Contains(got, "An error occurred on the server while streaming results.") {
			t.Errorf("an item too deep has %d bytes: %.100q", len(got), got)
		}
		if got := call(1, "Push", most+1); !strings.HasSuffix(got, "\x03\x04") {
			t.Errorf("four senders of an argument too deep got %q, want 4 errors", got)
		}
	})
}
