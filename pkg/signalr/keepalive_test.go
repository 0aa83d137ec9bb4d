package signalr_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
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

// TestClientTimeoutPausesWithReading has pings that wait behind messages for which the hub pauses reading.
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

func TestConnectionEndsWithItsToken(t *testing.T) {
	o := signalr.Options{Identify: func(*http.Request) (signalr.Identity, error) {
		return signalr.Identity{User: "jim", Expires: time.Now().Add(15 * time.Minute)}, nil
	}}
	const expired = `{"type":7,"error":"The connection's token has expired.","allowReconnect":true}`
	tests := map[string]struct {
		change func(c *signalr.Conn)
		after  time.Duration
	}{
		"expiry from Identify": {func(*signalr.Conn) {}, 15 * time.Minute},
		"later":                {func(c *signalr.Conn) { c.SetExpiry(time.Now().Add(time.Hour)) }, time.Hour},
		"earlier":              {func(c *signalr.Conn) { c.SetExpiry(time.Now().Add(time.Second)) }, time.Second},
		"in the past":          {func(c *signalr.Conn) { c.SetExpiry(time.Now().Add(-time.Second)) }, 0},
		"in the year 1500":     {func(c *signalr.Conn) { c.SetExpiry(time.Date(1500, 1, 1, 0, 0, 0, 0, time.UTC)) }, 0},
		"in 1970":              {func(c *signalr.Conn) { c.SetExpiry(time.Unix(0, 0)) }, 0},
		"never, then changed":  {func(c *signalr.Conn) { c.SetExpiry(time.Time{}); pass(time.Hour); c.SetExpiry(time.Now()) }, time.Hour},
		"after millennia, then changed": {func(c *signalr.Conn) {
			c.SetExpiry(time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC))
			pass(time.Hour)
			c.SetExpiry(time.Now())
		}, time.Hour},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			withRecorder(t, o, func(t *testing.T, d *recorder, n *network) {
				start, ended := time.Now(), make(chan time.Duration, 1)
				c := n.handshaken(t, nil)
				conn := <-d.conns
				context.AfterFunc(conn.Context(), func() { ended <- time.Since(start) })
				tt.change(conn)
				c.expect(expired)
				c.expectEnd()
				if got := <-ended; got != tt.after {
					t.Errorf("ended after %s, want %s", got, tt.after)
				}
				d.wantEnd(t, true)
			})
		})
	}
}

// TestNewestTokenOfRequestsCounts sends requests with tokens of their own.
func TestNewestTokenOfRequestsCounts(t *testing.T) {
	const minute = time.Minute
	tests := map[string]struct {
		first time.Duration // expiry of the first token
		own   time.Duration // argument of SetExpiry; 0: not called
		shown []time.Duration
		ends  time.Duration
	}{
		"the same token":                    {16 * minute, 0, []time.Duration{16 * minute}, 16 * minute},
		"newer tokens":                      {15 * minute, 0, []time.Duration{20 * minute, 31 * minute}, 31 * minute},
		"an older token":                    {15 * minute, 0, []time.Duration{30 * minute, 20 * minute}, 30 * minute},
		"newer tokens, SetExpiry later":     {15 * minute, 40 * minute, []time.Duration{20 * minute, 31 * minute}, 31 * minute},
		"the same token, SetExpiry later":   {16 * minute, 40 * minute, []time.Duration{16 * minute}, 16 * minute},
		"the same token, SetExpiry earlier": {15 * minute, 10 * minute, []time.Duration{15 * minute}, 10 * minute},
		"a newer token, SetExpiry earlier":  {15 * minute, 10 * minute, []time.Duration{31 * minute}, 31 * minute},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var until atomic.Int64
			o := signalr.Options{Identify: func(*http.Request) (signalr.Identity, error) {
				return signalr.Identity{User: "jim", Expires: time.Unix(0, until.Load())}, nil
			}}
			for _, via := range []signalr.Transport{signalr.ServerSentEvents, signalr.LongPolling} {
				withRecorder(t, o, func(t *testing.T, d *recorder, n *network) {
					start := time.Now()
					until.Store(start.Add(tt.first).UnixNano())
					c := n.over(t, via, nil)
					conn := <-d.conns
					if tt.own > 0 {
						conn.SetExpiry(start.Add(tt.own))
					}
					for _, shown := range tt.shown {
						pass(minute)
						until.Store(start.Add(shown).UnixNano())
						c.send(`{"type":8}` + sep)
					}
					if got := conn.Expiry().Sub(start); got != tt.ends {
						t.Errorf("over %s the expiry is after %s, want %s", via, got, tt.ends)
					}
					if tt.shown[len(tt.shown)-1] != tt.ends {
						return // It polls in vain before.
					}
					c.expect(`{"type":7,"error":"The connection's token has expired.","allowReconnect":true}`)
					if got := time.Since(start); got != tt.ends {
						t.Errorf("over %s the connection ended after %s, want %s", via, got, tt.ends)
					}
				})
			}
		})
	}
}

func TestStalledClientDelaysNoOther(t *testing.T) {
	withRecorder(t, signalr.Options{Backlog: 10_000}, func(t *testing.T, d *recorder, n *network) {
		stalled := n.stalled(t, "/hub", nil)
		stalled.send(`{"protocol":"json","version":1}` + sep)
		if _, _, err := stalled.ws.ReadMessage(); err != nil {
			t.Fatal(err)
		}
		conn := <-d.conns
		other := n.handshaken(t, nil)
		<-d.conns

		start := time.Now()
		for i := range 1000 {
			if err := d.All().Send("Number", i, "some text to fill the backlog"); err != nil {
				t.Fatal(err)
			}
			if got := <-other.records; got == "" {
				t.Fatal("got an empty record")
			}
		}
		if got := time.Since(start); got != 0 {
			t.Errorf("the other client waited %s", got)
		}
		if conn.Context().Err() == nil {
			t.Error("the stalled connection has not ended")
		}
		if err := <-d.ended; err == nil {
			t.Error("the stalled connection ended cleanly")
		}
		pass(10 * time.Second)
		synctest.Wait()
		if got := d.Connections(); got != 1 {
			t.Errorf("got %d connections, want the other client's", got)
		}
	})
}

func TestSlowClientIsToldToReconnect(t *testing.T) {
	withRecorder(t, signalr.Options{Backlog: 1000}, func(t *testing.T, d *recorder, n *network) {
		slow := n.stalled(t, "/hub", nil)
		slow.send(`{"protocol":"json","version":1}` + sep)
		if _, _, err := slow.ws.ReadMessage(); err != nil {
			t.Fatal(err)
		}
		conn := <-d.conns
		for i := range 100 {
			if err := conn.Send("Number", i); err != nil {
				t.Fatal(err)
			}
			synctest.Wait() // the first is being written, the others wait
		}
		var got []string
		for {
			_, data, err := slow.ws.ReadMessage()
			if err != nil {
				break
			}
			got = append(got, string(data))
		}
		want := []string{
			`{"type":1,"target":"Number","arguments":[0]}` + sep,
			`{"type":7,"error":"The client reads too slowly.","allowReconnect":true}` + sep,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
		d.wantEnd(t, false)
	})
}

func TestStalledWriteTimesOut(t *testing.T) {
	withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
		c := n.stalled(t, "/hub", nil)
		c.send(`{"protocol":"json","version":1}` + sep)
		if _, _, err := c.ws.ReadMessage(); err != nil {
			t.Fatal(err)
		}
		conn := <-d.conns
		start := time.Now()
		if err := conn.Send("Hello"); err != nil {
			t.Fatal(err)
		}
		d.wantEnd(t, false)
		if got := time.Since(start); got != 10*time.Second {
			t.Errorf("disconnected after %s, want 10s", got)
		}
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
