package signalr_test

import (
	"context"
	"testing"

	"parley.internal/pkg/signalr"
)

// TestAfterCompletionBesideOtherMethods registers functions while a method that reads a client stream
// runs beside the methods that take turns.
func TestAfterCompletionBesideOtherMethods(t *testing.T) {
	withStreams(t, func(t *testing.T, r *streamHub, n *network) {
		r.Handle("Upload", signalr.Func1(func(ctx context.Context, c *signalr.Conn, items signalr.Incoming[int]) (int, error) {
			c.AfterCompletion(func(context.Context) error { return c.Send("AfterUpload") })
			sum := 0
			for item, err := range items.All(ctx) {
				if err != nil {
					return 0, err
				}
				sum += item
			}
			return sum, nil
		}))
		r.Handle("Turn", signalr.Action1(func(_ context.Context, c *signalr.Conn, fails bool) error {
			c.AfterCompletion(func(context.Context) error { return c.Send("AfterTurn", fails) })
			if fails {
				return signalr.HubError("not today")
			}
			return nil
		}))
		c := n.handshaken(t, nil)
		c.send(`{"type":1,"invocationId":"1","target":"Upload","arguments":[],"streamIds":["a"]}` + sep)
		c.send(`{"type":2,"invocationId":"a","item":1}` + sep)
		c.expectNothing()
		c.send(`{"type":1,"invocationId":"2","target":"Turn","arguments":[false]}` + sep)
		c.expect(`{"type":3,"invocationId":"2","result":null}`)
		c.expectNothing() // the upload may be the caller
		c.send(`{"type":2,"invocationId":"a","item":2}` + sep + `{"type":3,"invocationId":"a"}` + sep)
		c.expect(`{"type":3,"invocationId":"1","result":3}`, `{"type":1,"target":"AfterUpload","arguments":[]}`,
			`{"type":1,"target":"AfterTurn","arguments":[false]}`)
		c.send(`{"type":1,"invocationId":"3","target":"Turn","arguments":[true]}` + sep +
			`{"type":1,"invocationId":"4","target":"Turn","arguments":[false]}` + sep)
		c.expect(`{"type":3,"invocationId":"3","error":"An unexpected error occurred invoking 'Turn' on the server. HubException: not today"}`,
			`{"type":3,"invocationId":"4","result":null}`, `{"type":1,"target":"AfterTurn","arguments":[false]}`)
	})
}

func TestAfterCompletionOutsideOfAMethodRunsAtOnce(t *testing.T) {
	withStreams(t, func(t *testing.T, r *streamHub, n *network) {
		c := n.handshaken(t, nil)
		conn := <-r.conns
		ran := false
		conn.AfterCompletion(func(context.Context) error {
			ran = true
			return conn.Send("Now")
		})
		if !ran {
			t.Error("the function did not run")
		}
		conn.AfterCompletion(func(context.Context) error { panic("the password is x") })
		c.expect(`{"type":1,"target":"Now","arguments":[]}`)
	})
}
