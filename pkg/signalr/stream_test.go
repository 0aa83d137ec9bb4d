package signalr_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"parley.internal/pkg/signalr"
)

func TestStreams(t *testing.T) {
	const streaming = `An error occurred on the server while streaming results.`
	tests := map[string]struct {
		send, want []string
	}{
		"items, then the end": {
			send: []string{`{"type":4,"invocationId":"1","target":"Count","arguments":[2]}`},
			want: []string{`{"type":2,"invocationId":"1","item":0}`, `{"type":2,"invocationId":"1","item":1}`, `{"type":3,"invocationId":"1"}`},
		},
		"no items": {
			send: []string{`{"type":4,"invocationId":"1","target":"Count","arguments":[0]}`},
			want: []string{`{"type":3,"invocationId":"1"}`},
		},
		"three parameters": {
			send: []string{`{"type":4,"invocationId":"1","target":"Three","arguments":[1,2,3]}`},
			want: []string{
				`{"type":2,"invocationId":"1","item":1}`, `{"type":2,"invocationId":"1","item":2}`, `{"type":2,"invocationId":"1","item":3}`,
				`{"type":3,"invocationId":"1"}`,
			},
		},
		"four parameters": {
			send: []string{`{"type":4,"invocationId":"1","target":"Four","arguments":[1,2,3,4]}`},
			want: []string{
				`{"type":2,"invocationId":"1","item":1}`, `{"type":2,"invocationId":"1","item":2}`, `{"type":2,"invocationId":"1","item":3}`,
				`{"type":2,"invocationId":"1","item":4}`, `{"type":3,"invocationId":"1"}`,
			},
		},
		"too few parameters": {
			send: []string{`{"type":4,"invocationId":"1","target":"Three","arguments":[1,2]}`},
			want: []string{`{"type":3,"invocationId":"1","error":"Failed to invoke 'Three' due to an error on the server."}`},
		},
		"an error behind an item": {
			send: []string{`{"type":4,"invocationId":"1","target":"Fail","arguments":[7,"enough"]}`},
			want: []string{`{"type":2,"invocationId":"1","item":7}`, `{"type":3,"invocationId":"1","error":"` + streaming + ` HubException: enough"}`},
		},
		"a panic": {
			send: []string{`{"type":4,"invocationId":"1","target":"Panic","arguments":[]}`},
			want: []string{`{"type":3,"invocationId":"1","error":"` + streaming + `"}`},
		},
		"an error instead of a stream": {
			send: []string{`{"type":4,"invocationId":"1","target":"Refuse","arguments":[]}`},
			want: []string{`{"type":3,"invocationId":"1","error":"An unexpected error occurred invoking 'Refuse' on the server. HubException: not today"}`},
		},
		"a stream invoked as a method": {
			send: []string{`{"type":1,"invocationId":"1","target":"Count","arguments":[2]}`},
			want: []string{`{"type":3,"invocationId":"1","error":"The client attempted to invoke the streaming 'Count' method with a non-streaming invocation."}`},
		},
		"a method invoked as a stream": {
			send: []string{`{"type":4,"invocationId":"1","target":"AskBack","arguments":["x"]}`},
			want: []string{`{"type":3,"invocationId":"1","error":"The client attempted to invoke the non-streaming 'AskBack' method with a streaming invocation."}`},
		},
		"an id that is in use": {
			send: []string{
				`{"type":4,"invocationId":"1","target":"Slowly","arguments":[]}`,
				`{"type":4,"invocationId":"1","target":"Count","arguments":[2]}`,
			},
			want: []string{`{"type":2,"invocationId":"1","item":0}`, `{"type":3,"invocationId":"1","error":"Invocation ID '1' is already in use."}`},
		},
		"an id that is free again": {
			send: []string{
				`{"type":4,"invocationId":"1","target":"Count","arguments":[0]}`,
				`{"type":6}`,
				`{"type":4,"invocationId":"1","target":"Count","arguments":[1]}`,
			},
			want: []string{`{"type":3,"invocationId":"1"}`, `{"type":2,"invocationId":"1","item":0}`, `{"type":3,"invocationId":"1"}`},
		},
		"a cancelled stream": {
			send: []string{`{"type":4,"invocationId":"1","target":"Slowly","arguments":[]}`, `{"type":5,"invocationId":"1"}`, `{"type":5,"invocationId":"1"}`},
			want: []string{`{"type":2,"invocationId":"1","item":0}`, `{"type":3,"invocationId":"1"}`},
		},
		"cancelling an unknown stream": {
			send: []string{`{"type":5,"invocationId":"9"}`, `{"type":1,"invocationId":"2","target":"Sum","arguments":[1],"streamIds":["a"]}`, `{"type":3,"invocationId":"a"}`},
			want: []string{`{"type":3,"invocationId":"2","result":1}`},
		},
		"the client's items": {
			send: []string{
				`{"type":1,"invocationId":"1","target":"Sum","arguments":[100],"streamIds":["a"]}`,
				`{"type":2,"invocationId":"a","item":1}`, `{"type":2,"invocationId":"a","item":2}`, `{"type":3,"invocationId":"a"}`, `{"type":3,"invocationId":"a"}`,
			},
			want: []string{`{"type":3,"invocationId":"1","result":103}`},
		},
		"the client's error": {
			send: []string{
				`{"type":1,"invocationId":"1","target":"Sum","arguments":[100],"streamIds":["a"]}`,
				`{"type":2,"invocationId":"a","item":1}`, `{"type":3,"invocationId":"a","error":"my disk is full"}`,
			},
			want: []string{`{"type":3,"invocationId":"1","error":"An unexpected error occurred invoking 'Sum' on the server. HubException: my disk is full"}`},
		},
		"an item that does not fit": {
			send: []string{`{"type":1,"invocationId":"1","target":"First","arguments":[],"streamIds":["a"]}`, `{"type":2,"invocationId":"a","item":"one"}`},
			want: []string{`{"type":3,"invocationId":"1","error":"An unexpected error occurred invoking 'First' on the server."}`},
		},
		"items after the method has returned": {
			send: []string{
				`{"type":1,"invocationId":"1","target":"First","arguments":[],"streamIds":["a"]}`,
				strings.Repeat(`{"type":2,"invocationId":"a","item":5}`+sep, 30) + `{"type":3,"invocationId":"a"}`,
				`{"type":1,"invocationId":"2","target":"First","arguments":[],"streamIds":["a"]}`,
				`{"type":3,"invocationId":"a"}`,
			},
			want: []string{
				`{"type":3,"invocationId":"1","result":5}`,
				`{"type":3,"invocationId":"2","error":"An unexpected error occurred invoking 'First' on the server. HubException: there was none"}`,
			},
		},
		"a client stream and a stream as result": {
			send: []string{
				`{"type":4,"invocationId":"1","target":"Double","arguments":[],"streamIds":["a"]}`,
				`{"type":2,"invocationId":"a","item":4}`, `{"type":3,"invocationId":"a"}`,
			},
			want: []string{`{"type":2,"invocationId":"1","item":8}`, `{"type":3,"invocationId":"1"}`},
		},
		"too few streams": {
			send: []string{`{"type":1,"invocationId":"1","target":"Sum","arguments":[1]}`},
			want: []string{`{"type":3,"invocationId":"1","error":"An unexpected error occurred invoking 'Sum' on the server. HubException: Client sent 0 stream(s), Hub method expects 1."}`},
		},
		"one stream twice": {
			send: []string{`{"type":1,"invocationId":"1","target":"Sum","arguments":[1],"streamIds":["a","a"]}`},
			want: []string{`{"type":3,"invocationId":"1","error":"Failed to invoke 'Sum' due to an error on the server."}`},
		},
		"a call to the client overtakes waiting invocations": {
			send: []string{
				`{"type":1,"invocationId":"1","target":"AskBack","arguments":["why"]}`,
				`{"type":1,"invocationId":"2","target":"Sum","arguments":[1]}`,
				`{"type":3,"invocationId":"s1","result":"because"}`,
			},
			want: []string{
				`{"type":1,"invocationId":"s1","target":"Answer","arguments":["why"]}`,
				`{"type":3,"invocationId":"1","result":"because"}`,
				`{"type":3,"invocationId":"2","error":"An unexpected error occurred invoking 'Sum' on the server. HubException: Client sent 0 stream(s), Hub method expects 1."}`,
			},
		},
		"a call that fails at the client": {
			send: []string{`{"type":1,"invocationId":"1","target":"AskBack","arguments":["why"]}`, `{"type":3,"invocationId":"s1","error":"I do not know"}`},
			want: []string{
				`{"type":1,"invocationId":"s1","target":"Answer","arguments":["why"]}`,
				`{"type":3,"invocationId":"1","error":"An unexpected error occurred invoking 'AskBack' on the server. HubException: the client says: I do not know"}`,
			},
		},
		"a call that is answered without a result": {
			send: []string{`{"type":1,"invocationId":"1","target":"AskBack","arguments":["why"]}`, `{"type":3,"invocationId":"s1"}`, `{"type":3,"invocationId":"s1","result":"late"}`},
			want: []string{
				`{"type":1,"invocationId":"s1","target":"Answer","arguments":["why"]}`,
				`{"type":3,"invocationId":"1","result":""}`,
			},
		},
		"a call that is answered with something else": {
			send: []string{`{"type":1,"invocationId":"1","target":"AskBack","arguments":["why"]}`, `{"type":3,"invocationId":"s1","result":7}`},
			want: []string{
				`{"type":1,"invocationId":"s1","target":"Answer","arguments":["why"]}`,
				`{"type":3,"invocationId":"1","error":"An unexpected error occurred invoking 'AskBack' on the server."}`,
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			withStreams(t, func(t *testing.T, _ *streamHub, n *network) {
				c := n.handshaken(t, nil)
				for _, frame := range tt.send {
					c.send(frame + sep)
					synctest.Wait()
				}
				c.expect(tt.want...)
				c.expectNothing()
			})
		})
	}
}

func TestStreamFollowsThePaceOfItsClient(t *testing.T) {
	withStreams(t, func(t *testing.T, r *streamHub, n *network) {
		c := n.stalled(t, "/hub", nil)
		c.send(`{"protocol":"json","version":1}` + sep)
		if _, answer, err := c.ws.ReadMessage(); err != nil || string(answer) != "{}"+sep {
			t.Fatalf("got %q, error %v", answer, err)
		}
		long := strings.Repeat("x", 1000)
		c.send(`{"type":4,"invocationId":"1","target":"Endless","arguments":["` + long + `"]}` + sep)
		synctest.Wait()
		if n := r.produced.Load(); n < 10 || n > 70 {
			t.Errorf("%d items of 1 kB were produced for a client that reads none", n)
		}
		for range 200 {
			if _, _, err := c.ws.ReadMessage(); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if n := r.produced.Load(); n < 200 || n > 270 {
			t.Errorf("%d items were produced for a client that has read 200", n)
		}
		_ = c.ws.Close()
		if err := <-r.stopped; err == nil {
			t.Error("the context of the stream is not done after the client left")
		}
	})
}

func TestStreamsEndBeforeOnDisconnect(t *testing.T) {
	withStreams(t, func(t *testing.T, r *streamHub, n *network) {
		c := n.handshaken(t, nil)
		c.send(`{"type":4,"invocationId":"1","target":"Slowly","arguments":[]}` + sep)
		c.expect(`{"type":2,"invocationId":"1","item":0}`)
		c.leave(websocket.CloseNormalClosure)
		if err := <-r.ended; err != nil {
			t.Errorf("the connection ended with %v, want cleanly", err)
		}
		select {
		case err := <-r.stopped:
			if err == nil {
				t.Error("the context of the stream is not done")
			}
		default:
			t.Error("a stream runs after OnDisconnect")
		}
	})
}

func TestCallEndsWhenTheClientLeaves(t *testing.T) {
	withStreams(t, func(t *testing.T, r *streamHub, n *network) {
		c := n.handshaken(t, nil)
		conn := <-r.conns
		asked := make(chan error, 1)
		go func() {
			_, err := signalr.Call[string](t.Context(), conn, "Answer", "why")
			asked <- err
		}()
		c.expect(`{"type":1,"invocationId":"s1","target":"Answer","arguments":["why"]}`)
		_ = c.ws.Close()
		if err := <-asked; !errors.Is(err, signalr.ErrEnded) {
			t.Errorf("got error %v, want ErrEnded", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		other := n.handshaken(t, nil)
		if _, err := signalr.Call[string](ctx, <-r.conns, "Answer", "why"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got error %v, want a missed deadline", err)
		}
		other.expect(`{"type":1,"invocationId":"s1","target":"Answer","arguments":["why"]}`)
	})
}

func TestCallEndsWhenReadingEnds(t *testing.T) {
	withStreams(t, func(t *testing.T, _ *streamHub, n *network) {
		c := n.handshaken(t, nil)
		start := time.Now()
		c.send(`{"type":1,"invocationId":"1","target":"AskBack","arguments":["why"]}` + sep)
		c.expect(`{"type":1,"invocationId":"s1","target":"Answer","arguments":["why"]}`)
		c.send(`{"type":7}` + sep)
		c.reading.Wait()
		if took := time.Since(start); took != 0 {
			t.Errorf("the call waited %s for a result that cannot arrive", took)
		}
	})
}

// TestStreamEndsWithTheClient has a client leave in the middle of a stream, while another method runs.
func TestStreamEndsWithTheClient(t *testing.T) {
	withStreams(t, func(t *testing.T, r *streamHub, n *network) {
		c := n.stalled(t, "/hub", nil)
		c.send(`{"protocol":"json","version":1}` + sep)
		if _, _, err := c.ws.ReadMessage(); err != nil {
			t.Fatal(err)
		}
		c.send(`{"type":4,"invocationId":"1","target":"Endless","arguments":["more"]}` + sep + `{"type":1,"target":"Note","arguments":["it"]}` + sep)
		synctest.Wait()
		before := r.produced.Load()
		start := time.Now()
		c.leave(websocket.CloseNormalClosure)
		for err := error(nil); err == nil; {
			_, _, err = c.ws.ReadMessage()
		}
		if err := <-r.stopped; err == nil || time.Since(start) != 0 {
			t.Errorf("the stream ended with %v after %s", err, time.Since(start))
		}
		if n := r.produced.Load() - before; n > 10_000 {
			t.Errorf("%d items were produced after the client left", n)
		}
	})
}
