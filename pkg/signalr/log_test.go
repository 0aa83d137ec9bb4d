package signalr_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley.internal/pkg/signalr"
)

// TestLogDoesNotQuoteTheClient sends values of other types, which decoders quote in their errors.
func TestLogDoesNotQuoteTheClient(t *testing.T) {
	const said = "1234567890"
	tests := map[string]struct {
		sent string
		want string
	}{
		"an argument": {
			sent: `{"type":1,"target":"Remind","arguments":["x","` + said + `"]}` + sep,
			want: "argument 1: of another type than time.Time",
		},
		"an item": {
			sent: `{"type":1,"target":"Sum","arguments":[],"streamIds":["a"]}` + sep + `{"type":2,"invocationId":"a","item":` + said + `}` + sep,
			want: "of another type than int8",
		},
		"the error of a stream": {
			sent: `{"type":1,"target":"Sum","arguments":[],"streamIds":["a"]}` + sep + `{"type":3,"invocationId":"a","error":"` + said + `"}` + sep,
			want: "the client's own error",
		},
		"the result of a call": {
			sent: `{"type":1,"target":"Ask","arguments":[]}` + sep + `{"type":3,"invocationId":"s1","result":` + said + `}` + sep,
			want: "decode the result: of another type than int8",
		},
		"the error of a call": {
			sent: `{"type":1,"target":"Ask","arguments":[]}` + sep + `{"type":3,"invocationId":"s1","error":"` + said + `"}` + sep,
			want: "the client's own error",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			hub := func() *signalr.Hub {
				h := signalr.New(signalr.Options{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
				h.Handle("Remind", signalr.Action2(func(context.Context, *signalr.Conn, string, time.Time) error { return nil }))
				h.Handle("Sum", signalr.Action1(func(ctx context.Context, _ *signalr.Conn, items signalr.Incoming[int8]) error {
					for _, err := range items.All(ctx) {
						return err
					}
					return nil
				}))
				h.Handle("Ask", signalr.Action0(func(ctx context.Context, c *signalr.Conn) error {
					_, err := signalr.Call[int8](ctx, c, "Answer")
					return err
				}))
				return h
			}
			serve(t, hub, func(t *testing.T, _ *signalr.Hub, n *network) {
				c := n.handshaken(t, nil)
				for frame := range strings.SplitAfterSeq(tt.sent, sep) {
					c.send(frame)
					synctest.Wait()
				}
				got := log.String()
				if !strings.Contains(got, tt.want) || strings.Contains(got, said) || strings.Contains(got, "level=ERROR") {
					t.Errorf("logged %q, want %q below the level ERROR", got, tt.want)
				}
			})
		})
	}
}
