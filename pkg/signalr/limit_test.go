package signalr_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"parley.internal/pkg/signalr"
)

func TestInvocationRateIsLimited(t *testing.T) {
	flooded := func() *signalr.Hub {
		h := signalr.New(signalr.Options{Logger: quiet, CallRate: 10})
		h.Handle("Echo", signalr.Func1(echo))
		return h
	}
	serve(t, flooded, func(t *testing.T, _ *signalr.Hub, n *network) {
		c, other := n.handshaken(t, nil), n.handshaken(t, nil)
		start := time.Now()
		for i := range 50 {
			c.send(fmt.Sprintf(`{"type":1,"invocationId":"%d","target":"Echo","arguments":["x"]}`, i) + sep)
		}
		other.send(`{"type":1,"invocationId":"1","target":"Echo","arguments":["x"]}` + sep)
		other.expect(`{"type":3,"invocationId":"1","result":"x"}`)
		if waited := time.Since(start); waited > 4*time.Second {
			t.Errorf("another client waited %s, want 0s", waited)
		}
		for i := range 50 {
			c.expect(fmt.Sprintf(`{"type":3,"invocationId":"%d","result":"x"}`, i))
		}
		if took := time.Since(start); took < 2900*time.Millisecond || took > 3100*time.Millisecond {
			t.Errorf("50 calls at 10 a second, 20 of them at once, took %s, want 3s", took)
		}
	})
}

func TestSilentClientsDoNotBlockAdmission(t *testing.T) {
	crowded := func() *signalr.Hub {
		return signalr.New(signalr.Options{Logger: quiet, MaxHandshakes: 2})
	}
	serve(t, crowded, func(t *testing.T, h *signalr.Hub, n *network) {
		first, second := n.open(t, "/hub", nil), n.open(t, "/hub", nil)
		synctest.Wait()
		if got := n.request(t, http.MethodPost, "/hub/negotiate?negotiateVersion=1", nil).StatusCode; got != http.StatusServiceUnavailable {
			t.Errorf("another connection: got status %d, want 503", got)
		}
		first.send(`{"protocol":"json","version":1}` + sep)
		first.expect(`{}`)
		n.handshaken(t, nil)
		_ = second.ws.Close()
		synctest.Wait()
		for range 3 {
			n.handshaken(t, nil)
		}
		if got := h.Connections(); got != 5 {
			t.Errorf("got %d connections, want 5", got)
		}
	})
}

func TestSilentUserDoesNotBlockAdmission(t *testing.T) {
	o := named
	o.MaxHandshakes = 50
	withRecorder(t, o, func(t *testing.T, _ *recorder, n *network) {
		status := func(user string) int {
			return n.request(t, http.MethodPost, "/hub/negotiate?negotiateVersion=1", as(user)).StatusCode
		}
		var silent *client
		for range 5 {
			silent = n.open(t, "/hub", as("silent"))
		}
		synctest.Wait()
		if got := status("silent"); got != http.StatusServiceUnavailable {
			t.Errorf("another connection of the user: got status %d, want 503", got)
		}
		_, answer, err := (&websocket.Dialer{NetDialContext: n.dial}).DialContext(t.Context(), "ws://hub.test/hub", as("silent"))
		if err == nil || answer == nil || answer.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("a connection without negotiation: got error %v", err)
		}
		n.handshaken(t, as("other"))
		silent.send(`{"protocol":"json","version":1}` + sep)
		silent.expect(`{}`)
		if got := status("silent"); got != http.StatusOK {
			t.Errorf("another connection after a handshake: got status %d", got)
		}
	})
}

func TestWaitingRequestsAreLimited(t *testing.T) {
	for _, via := range []signalr.Transport{signalr.ServerSentEvents, signalr.LongPolling} {
		t.Run(string(via), func(t *testing.T) {
			withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
				c := n.over(t, via, nil)
				const requests = 200
				var accepted, rejected atomic.Int64
				for range requests {
					c.reading.Go(func() {
						switch c.post(`{"type":1,"target":"Note","arguments":["x"]}` + sep) {
						case http.StatusOK:
							accepted.Add(1)
						case http.StatusTooManyRequests:
							rejected.Add(1)
						}
					})
				}
				synctest.Wait()
				if got := rejected.Load(); got == 0 || got > requests/2 {
					t.Errorf("%d of %d requests were rejected", got, requests)
				}
				for range requests - rejected.Load() {
					<-d.calls
				}
				synctest.Wait()
				if accepted, rejected := accepted.Load(), rejected.Load(); accepted+rejected != requests {
					t.Errorf("%d requests were accepted and %d rejected", accepted, rejected)
				}
			})
		})
	}
}

func TestAllowConnectSeesOnlyNewConnections(t *testing.T) {
	for name, o := range map[string]func() signalr.Options{
		"MaxConnections": func() signalr.Options { return signalr.Options{MaxConnections: 1} },
		"AllowConnect": func() signalr.Options {
			var asked atomic.Int64
			return signalr.Options{AllowConnect: func(*http.Request) bool { return asked.Add(1) == 1 }}
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, via := range every {
				t.Run(string(via), func(t *testing.T) {
					withRecorder(t, o(), func(t *testing.T, d *recorder, n *network) {
						c := n.over(t, via, nil)
						for i := range 5 {
							c.send(fmt.Sprintf(`{"type":1,"invocationId":"%d","target":"Note","arguments":["x"]}`, i) + sep)
							c.expect(fmt.Sprintf(`{"type":3,"invocationId":"%d","result":null}`, i))
						}
						n.wantRefusal(t, "", "", http.StatusServiceUnavailable)
						if got := d.Connections(); got != 1 {
							t.Errorf("got %d connections, want 1", got)
						}
					})
				})
			}
		})
	}
}

func TestStreamsOfAConnectionAreLimited(t *testing.T) {
	withStreams(t, func(t *testing.T, _ *streamHub, n *network) {
		c := n.handshaken(t, nil)
		rejected := 0
		for i := range 40 {
			c.send(fmt.Sprintf(`{"type":4,"invocationId":"%d","target":"Slowly","arguments":[]}`, i) + sep)
			if strings.Contains(<-c.records, "too many streams at once") {
				rejected++
			}
		}
		if rejected != 8 {
			t.Errorf("%d of 40 streams were rejected, want 8", rejected)
		}
		c.send(`{"type":1,"invocationId":"note","target":"Note","arguments":["no stream"]}` + sep)
		c.expect(`{"type":3,"invocationId":"note","result":null}`)
		c.send(`{"type":5,"invocationId":"3"}` + sep)
		c.expect(`{"type":3,"invocationId":"3"}`)
		c.send(`{"type":1,"invocationId":"sum","target":"Sum","arguments":[7],"streamIds":["a"]}` + sep +
			`{"type":3,"invocationId":"a"}` + sep)
		c.expect(`{"type":3,"invocationId":"sum","result":7}`)
		c.send(`{"type":4,"invocationId":"50","target":"Slowly","arguments":[]}` + sep)
		c.expect(`{"type":2,"invocationId":"50","item":0}`)
	})
}

func TestRejectedStreamIsLogged(t *testing.T) {
	var log bytes.Buffer
	hub := func() *signalr.Hub {
		h := signalr.New(signalr.Options{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
		h.Handle("Hang", signalr.Stream0(func(ctx context.Context, _ *signalr.Conn) (counted, error) {
			return func(func(int, error) bool) { <-ctx.Done() }, nil
		}))
		return h
	}
	serve(t, hub, func(t *testing.T, _ *signalr.Hub, n *network) {
		c := n.handshaken(t, nil)
		for i := range 33 {
			c.send(fmt.Sprintf(`{"type":4,"invocationId":"%d","target":"Hang","arguments":[]}`, i) + sep)
		}
		c.expect(`{"type":3,"invocationId":"32","error":"An unexpected error occurred invoking 'Hang' on the server. HubException: too many streams at once"}`)
		if got := strings.Count(log.String(), "too many streams"); got != 1 {
			t.Errorf("the rejection is logged %d times, want once:\n%s", got, &log)
		}
	})
}

// TestCancelledStreamMakesRoom begins and cancels streams in turn, without waiting for completions.
func TestCancelledStreamMakesRoom(t *testing.T) {
	withStreams(t, func(t *testing.T, _ *streamHub, n *network) {
		c := n.handshaken(t, nil)
		for i := range 90 {
			c.send(fmt.Sprintf(`{"type":4,"invocationId":"%d","target":"Slowly","arguments":[]}`+sep+`{"type":5,"invocationId":"%d"}`+sep, i, i))
		}
		c.send(`{"type":4,"invocationId":"last","target":"Slowly","arguments":[]}` + sep)
		for ended, begun := 0, false; ended < 90 || !begun; {
			record := <-c.records
			switch {
			case strings.Contains(record, "error"):
				t.Fatalf("got %s", record)
			case strings.HasPrefix(record, `{"type":3`):
				ended++
			case strings.Contains(record, "last"):
				begun = true
			}
		}
	})
}

// TestRunningStreamKeepsItsSlot has streams that ignore their cancellation: further streams are
// rejected, and reading continues.
func TestRunningStreamKeepsItsSlot(t *testing.T) {
	over := make(chan struct{})
	hub := func() *signalr.Hub {
		h := signalr.New(signalr.Options{Logger: quiet})
		h.Handle("Deaf", signalr.Stream0(func(context.Context, *signalr.Conn) (counted, error) {
			return func(func(int, error) bool) { <-over }, nil
		}))
		return h
	}
	serve(t, hub, func(t *testing.T, _ *signalr.Hub, n *network) {
		over = make(chan struct{})
		defer close(over)
		c := n.handshaken(t, nil)
		for i := range 32 {
			c.send(fmt.Sprintf(`{"type":4,"invocationId":"%d","target":"Deaf","arguments":[]}`+sep+`{"type":5,"invocationId":"%d"}`+sep, i, i))
		}
		start := time.Now()
		c.send(`{"type":4,"invocationId":"last","target":"Deaf","arguments":[]}` + sep)
		c.expect(`{"type":3,"invocationId":"last","error":"An unexpected error occurred invoking 'Deaf' on the server. HubException: too many streams at once"}`)
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("the stream was rejected after %s, want 1s", waited)
		}
	})
}
