package signalr_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley.internal/pkg/signalr"
)

// sum is an invocation that adds the items of a client stream, item is an item, and last is the end.
func sum(id int, stream string) string {
	return fmt.Sprintf(`{"type":1,"invocationId":"%d","target":"Sum","arguments":[0],"streamIds":[%q]}`, id, stream) + sep
}

func item(stream string) string { return `{"type":2,"invocationId":"` + stream + `","item":1}` + sep }
func last(stream string) string { return `{"type":3,"invocationId":"` + stream + `"}` + sep }

func result(id, value int) string {
	return fmt.Sprintf(`{"type":3,"invocationId":"%d","result":%d}`, id, value)
}

func TestOpenClientStreamDelaysNothing(t *testing.T) {
	withStreams(t, func(t *testing.T, r *streamHub, n *network) {
		r.Handle("Echo", signalr.Func1(echo))
		c := n.handshaken(t, nil)
		c.send(sum(1, "a") + item("a"))
		c.send(`{"type":1,"invocationId":"2","target":"Echo","arguments":["x"]}` + sep)
		c.expect(`{"type":3,"invocationId":"2","result":"x"}`)
		c.send(`{"type":4,"invocationId":"3","target":"Count","arguments":[1]}` + sep)
		c.expect(`{"type":2,"invocationId":"3","item":0}`, `{"type":3,"invocationId":"3"}`)
		for i := range 20 {
			c.send(fmt.Sprintf(`{"type":1,"invocationId":"%d","target":"Echo","arguments":["x"]}`, 10+i) + sep)
		}
		for i := range 20 {
			c.expect(fmt.Sprintf(`{"type":3,"invocationId":"%d","result":"x"}`, 10+i))
		}
		c.send(last("a"))
		c.expect(result(1, 1))
	})
}

func TestClientStreamsMayBeInterleaved(t *testing.T) {
	onEachFlow(t, func(t *testing.T, _ *streamHub, n *network, via signalr.Transport) {
		c := n.over(t, via, nil)
		c.send(sum(1, "a") + sum(2, "b"))
		c.send(strings.Repeat(item("b")+item("a"), 30) + last("b"))
		c.expect(result(2, 30))
		c.send(last("a"))
		c.expect(result(1, 30))
	})
}

func onEachFlow(t *testing.T, fn func(t *testing.T, r *streamHub, n *network, via signalr.Transport)) {
	t.Helper()
	for _, via := range every {
		t.Run(string(via), func(t *testing.T) {
			withStreams(t, func(t *testing.T, r *streamHub, n *network) { fn(t, r, n, via) })
		})
	}
}

// TestClientStreamIsReadBehindAnUnreadOne has a method that reads the second stream before the first
// one.
func TestClientStreamIsReadBehindAnUnreadOne(t *testing.T) {
	withStreams(t, func(t *testing.T, r *streamHub, n *network) {
		r.Handle("Backwards", signalr.Func2(func(ctx context.Context, _ *signalr.Conn, a, b signalr.Incoming[int]) (int, error) {
			total := 0
			for _, items := range []signalr.Incoming[int]{b, a} {
				for i, err := range items.All(ctx) {
					if err != nil {
						return 0, err
					}
					total += i
				}
			}
			return total, nil
		}))
		c := n.handshaken(t, nil)
		call := `{"type":1,"invocationId":"1","target":"Backwards","arguments":[],"streamIds":["a","b"]}` + sep
		c.send(call + strings.Repeat(item("a"), 100) + last("a") + strings.Repeat(item("b"), 100) + last("b"))
		c.expect(result(1, 200))

		// The buffer is bounded, however.
		long := `{"type":2,"invocationId":"a","item":"` + strings.Repeat("x", 10_000) + `"}` + sep
		start := time.Now()
		c.reading.Go(func() {
			c.attempt(call)
			for range 40 {
				c.attempt(long)
			}
			c.attempt(item("b") + last("b"))
		})
		c.expect(`{"type":3,"invocationId":"1","error":"An unexpected error occurred invoking 'Backwards' on the server."}`)
		if took := time.Since(start); took > time.Minute {
			t.Errorf("the unread stream ended after %s", took)
		}
	})
}

// TestSlowClientStreamContinuesBesideAWaitingOne has a stream that is read slowly. Behind more of its
// items than the hub buffers is an item that another method waits for.
func TestSlowClientStreamContinuesBesideAWaitingOne(t *testing.T) {
	withStreams(t, func(t *testing.T, r *streamHub, n *network) {
		r.Handle("Sip", signalr.Func1(func(ctx context.Context, _ *signalr.Conn, items signalr.Incoming[string]) (n int, err error) {
			for _, err := range items.All(ctx) {
				if err != nil {
					return n, err
				}
				pass(20 * time.Second)
				n++
			}
			return n, nil
		}))
		c := n.handshaken(t, nil)
		long := `{"type":2,"invocationId":"a","item":"` + strings.Repeat("x", 10_000) + `"}` + sep
		c.reading.Go(func() {
			c.attempt(`{"type":1,"invocationId":"1","target":"Sip","arguments":[],"streamIds":["a"]}` + sep + sum(2, "b"))
			for range 40 {
				c.attempt(long)
			}
			c.attempt(item("b") + last("b") + last("a"))
		})
		c.expect(result(2, 1), result(1, 40))
	})
}

func TestClientStreamFollowsThePaceOfItsMethod(t *testing.T) {
	withStreams(t, func(t *testing.T, r *streamHub, n *network) {
		read := make(chan struct{})
		r.Handle("Sip", signalr.Func1(func(ctx context.Context, _ *signalr.Conn, items signalr.Incoming[int]) (n int, err error) {
			for _, err := range items.All(ctx) {
				if err != nil {
					return n, err
				}
				<-read
				n++
			}
			return n, nil
		}))
		c := n.handshaken(t, nil)
		sent := make(chan int, 100)
		c.reading.Go(func() {
			c.attempt(`{"type":1,"invocationId":"1","target":"Sip","arguments":[],"streamIds":["a"]}` + sep)
			for i := range 50 {
				c.attempt(item("a"))
				sent <- i
			}
			c.attempt(last("a"))
		})
		pass(10 * time.Minute)
		if got := len(sent); got < 10 || got > 15 {
			t.Errorf("%d items were read for a method that reads none", got)
		}
		close(read)
		c.expect(result(1, 50))
	})
}

// TestResultArrivesBehindAnUnreadStream has a method wait for the result of a call, behind more items
// of a stream than the hub buffers.
func TestResultArrivesBehindAnUnreadStream(t *testing.T) {
	withStreams(t, func(t *testing.T, r *streamHub, n *network) {
		r.Handle("Hang", signalr.Action1(func(ctx context.Context, _ *signalr.Conn, _ signalr.Incoming[int]) error {
			<-ctx.Done()
			return ctx.Err()
		}))
		c := n.handshaken(t, nil)
		c.reading.Go(func() {
			c.attempt(`{"type":1,"invocationId":"1","target":"Hang","arguments":[],"streamIds":["a"]}` + sep + strings.Repeat(item("a"), 12))
			c.attempt(`{"type":3,"invocationId":"s1","result":"because"}` + sep)
		})
		synctest.Wait()
		asked := make(chan error, 1)
		conn := <-r.conns
		c.reading.Go(func() {
			_, err := signalr.Call[string](context.WithoutCancel(t.Context()), conn, "Answer")
			asked <- err
		})
		c.expect(`{"type":1,"invocationId":"s1","target":"Answer","arguments":[]}`)
		if err := <-asked; err != nil {
			t.Error(err)
		}
	})
}

func TestClientStreamWaitsForOnConnect(t *testing.T) {
	withStreams(t, func(t *testing.T, r *streamHub, n *network) {
		admit := make(chan error)
		r.OnConnect(func(context.Context, *signalr.Conn) error { return <-admit })
		c := n.handshaken(t, nil)
		c.send(sum(1, "a") + item("a") + last("a"))
		c.expectNothing()
		admit <- nil
		c.expect(result(1, 1))
		c = n.handshaken(t, nil)
		c.send(sum(1, "a") + item("a") + last("a"))
		admit <- signalr.HubError("not today")
		c.expect(`{"type":7,"error":"Connection closed with an error. HubException: not today"}`)
	})
}

func TestDrainLetsAClientStreamFinish(t *testing.T) {
	withStreams(t, func(t *testing.T, r *streamHub, n *network) {
		c := n.handshaken(t, nil)
		c.send(sum(1, "a") + item("a"))
		synctest.Wait()
		r.Drain(t.Context(), 0)
		c.expectNothing()
		c.send(item("a") + last("a"))
		c.expect(result(1, 2), `{"type":7,"allowReconnect":true}`)
	})
}

func TestMethodLearnsThatItsClientLeft(t *testing.T) {
	withStreams(t, func(t *testing.T, r *streamHub, n *network) {
		c := n.handshaken(t, nil)
		c.send(sum(1, "a") + item("a") + `{"type":7}` + sep)
		start := time.Now()
		if err := <-r.ended; err != nil {
			t.Errorf("the connection ended with %v, want cleanly", err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("the end took %s", took)
		}
	})
}

func TestGoexitIsAnErrorOfTheCall(t *testing.T) {
	withStreams(t, func(t *testing.T, r *streamHub, n *network) {
		exit := func() error {
			runtime.Goexit()
			return nil
		}
		r.Handle("Exit", signalr.Action0(func(context.Context, *signalr.Conn) error { return exit() }))
		r.Handle("ExitWithStream", signalr.Action1(func(context.Context, *signalr.Conn, signalr.Incoming[int]) error { return exit() }))
		r.Handle("ExitLater", signalr.Action0(func(ctx context.Context, c *signalr.Conn) error {
			c.AfterCompletion(func(context.Context) error { return exit() })
			c.AfterCompletion(func(context.Context) error { return exit() })
			c.AfterCompletion(func(context.Context) error { return c.Send("Later") })
			return nil
		}))
		r.Handle("ExitInStream", signalr.Stream0(func(context.Context, *signalr.Conn) (counted, error) {
			return func(func(int, error) bool) { _ = exit() }, nil
		}))
		c := n.handshaken(t, nil)
		c.send(`{"type":1,"invocationId":"1","target":"Exit","arguments":[]}` + sep +
			`{"type":1,"invocationId":"2","target":"ExitLater","arguments":[]}` + sep)
		c.expect(`{"type":3,"invocationId":"1","error":"An unexpected error occurred invoking 'Exit' on the server."}`,
			`{"type":3,"invocationId":"2","result":null}`, `{"type":1,"target":"Later","arguments":[]}`)
		c.send(`{"type":4,"invocationId":"3","target":"ExitInStream","arguments":[]}` + sep)
		c.expect(`{"type":3,"invocationId":"3","error":"An error occurred on the server while streaming results."}`)
		c.send(`{"type":1,"invocationId":"4","target":"ExitWithStream","arguments":[],"streamIds":["a"]}` + sep)
		c.expect(`{"type":3,"invocationId":"4","error":"An unexpected error occurred invoking 'ExitWithStream' on the server."}`)
		r.OnConnect(func(context.Context, *signalr.Conn) error { return exit() })
		n.handshaken(t, nil).expect(`{"type":7,"error":"Connection closed with an error."}`)
		r.OnDisconnect(func(*signalr.Conn, error) { _ = exit() })
	})
}
