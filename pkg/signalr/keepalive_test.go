package signalr_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"parley.internal/pkg/signalr"
)

const ping = `{"type":6}` + sep

func TestIdleConnectionIsPinged(t *testing.T) {
	withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
		start := time.Now()
		c := n.handshaken(t, nil)
		for i := 1; i <= 3; i++ {
			if got := (<-c.pings).Sub(start); got != time.Duration(i)*15*time.Second {
				t.Fatalf("got ping %d after %s", i, got)
			}
		}
		pass(10 * time.Second)
		if err := d.All().Send("Hello"); err != nil {
			t.Fatal(err)
		}
		c.expect(`{"type":1,"target":"Hello","arguments":[]}`)
		if got := (<-c.pings).Sub(start); got != 70*time.Second {
			t.Errorf("got a ping after %s, want 15s after the last message", got)
		}
	})
}

func TestClientTimeoutAfterTheFirstPing(t *testing.T) {
	withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
		c := n.handshaken(t, nil)
		for range 3 {
			c.send(ping)
			pass(29 * time.Second)
		}
		start := time.Now()
		c.expect(`{"type":7,"error":"Connection closed with an error.","allowReconnect":true}`)
		c.expectEnd()
		if got := time.Since(start); got != time.Second {
			t.Errorf("disconnected %s after 29s of silence", got)
		}
		d.wantEnd(t, false)
	})
}

func TestClientWithoutPingsMayBeSilent(t *testing.T) {
	withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
		c := n.handshaken(t, nil)
		pass(time.Hour)
		c.send(`{"type":1,"invocationId":"1","target":"Note","arguments":["x"]}` + sep)
		c.expect(`{"type":3,"invocationId":"1","result":null}`)
	})
}

func TestClientTimeoutPausesWhileAMethodRuns(t *testing.T) {
	withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
		d.Handle("Rest", signalr.Action1(func(_ context.Context, _ *signalr.Conn, seconds int) error {
			pass(time.Duration(seconds) * time.Second)
			return nil
		}))
		c := n.handshaken(t, nil)
		c.send(ping + `{"type":1,"invocationId":"1","target":"Rest","arguments":[100]}` + sep)
		c.expect(`{"type":3,"invocationId":"1","result":null}`)
		start := time.Now()
		c.expect(`{"type":7,"error":"Connection closed with an error.","allowReconnect":true}`)
		if got := time.Since(start); got != 30*time.Second {
			t.Errorf("disconnected %s after the end of the method, want 30s", got)
		}
	})
}

// TestClientTimeoutPausesWithReading has pings that wait behind messages for which the hub pauses
// reading.
func TestClientTimeoutPausesWithReading(t *testing.T) {
	const call = `{"type":1,"invocationId":"1","target":"Sip","arguments":[],"streamIds":["a"]}` + sep
	const item = `{"type":2,"invocationId":"a","item":1}` + sep
	for name, tt := range map[string]struct {
		rate float64
		send string
	}{
		"slow client stream":   {0, call + strings.Repeat(item, 12)},
		"calls above the rate": {0.02, strings.Repeat(`{"type":1,"target":"Note","arguments":["x"]}`+sep, 3)},
	} {
		t.Run(name, func(t *testing.T) {
			withRecorder(t, signalr.Options{CallRate: tt.rate}, func(t *testing.T, d *recorder, n *network) {
				d.Handle("Sip", signalr.Action1(func(ctx context.Context, _ *signalr.Conn, items signalr.Incoming[int]) error {
					for _, err := range items.All(ctx) {
						if err != nil {
							return err
						}
						select {
						case <-time.After(50 * time.Second):
						case <-ctx.Done():
							return ctx.Err()
						}
					}
					return nil
				}))
				c := n.handshaken(t, nil)
				c.reading.Go(func() {
					c.attempt(ping + tt.send)
					for range 8 {
						pass(15 * time.Second)
						c.attempt(ping)
					}
				})
				pass(100 * time.Second)
				if got := len(c.records); got != 0 {
					t.Errorf("the client got %s", <-c.records)
				}
				if got := d.Connections(); got != 1 {
					t.Error("the client was disconnected")
				}
			})
		})
	}
}

func TestMethodMayFinishAfterTheClientLeft(t *testing.T) {
	withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
		stopped := make(chan time.Duration, 1)
		d.Handle("Hang", signalr.Action0(func(ctx context.Context, _ *signalr.Conn) error {
			start := time.Now()
			<-ctx.Done()
			stopped <- time.Since(start)
			return ctx.Err()
		}))
		c := n.handshaken(t, nil)
		c.send(`{"type":1,"target":"Hang","arguments":[]}` + sep)
		c.leave(websocket.CloseGoingAway)
		if got := <-stopped; got != 10*time.Second {
			t.Errorf("cancelled after %s, want 10s", got)
		}
		d.wantEnd(t, true)
	})
}

func TestWebSocketPingIsAnsweredWhileAMethodRuns(t *testing.T) {
	withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
		c := n.handshaken(t, nil)
		pong := make(chan string, 1)
		c.ws.SetPongHandler(func(text string) error { pong <- text; return nil })
		start := time.Now()
		c.send(`{"type":1,"invocationId":"1","target":"Note","arguments":["slow"]}` + sep)
		if err := c.ws.WriteControl(websocket.PingMessage, []byte("hey"), time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if got := <-pong; got != "hey" || time.Since(start) != 0 {
			t.Errorf("got pong %q after %s", got, time.Since(start))
		}
		c.expect(`{"type":3,"invocationId":"1","result":null}`)
	})
}

func TestCloseDoesNotWaitForACloseFrame(t *testing.T) {
	withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
		c := n.handshaken(t, nil)
		c.ws.SetCloseHandler(func(int, string) error { return errors.New("no") })
		conn := <-d.conns
		start := time.Now()
		conn.Close("", false)
		c.expect(`{"type":7}`)
		d.wantEnd(t, true)
		if got := time.Since(start); got > 5*time.Second {
			t.Errorf("it took %s", got)
		}
	})
}
