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

func TestAFloodOfCallsIsReadAtItsRate(t *testing.T) {
	flooded := func() *signalr.Hub {
		h := signalr.New(signalr.Options{Logger: quiet, CallRate: 10})
		h.Handle("Echo", signalr.Func1(echo))
		return h
	}
	serve(t, flooded, func(t *testing.T, _ *signalr.Hub, n *network) {
		c, other := n.greeted(t, nil), n.greeted(t, nil)
		start := time.Now()
		for i := range 50 {
			c.send(fmt.Sprintf(`{"type":1,"invocationId":"%d","target":"Echo","arguments":["x"]}`, i) + sep)
		}
		other.send(`{"type":1,"invocationId":"1","target":"Echo","arguments":["x"]}` + sep)
		other.expect(`{"type":3,"invocationId":"1","result":"x"}`)
		if waited := time.Since(start); waited > 4*time.Second {
			t.Errorf("another client waited %s", waited)
		}
		for i := range 50 {
			c.expect(fmt.Sprintf(`{"type":3,"invocationId":"%d","result":"x"}`, i))
		}
		if took := time.Since(start); took < 2900*time.Millisecond || took > 3100*time.Millisecond {
			t.Errorf("50 calls at 10 a second, 20 of them at once, took %s, want 3s", took)
		}
	})
}

func TestThoseWhoSayNothingDoNotKeepOthersOut(t *testing.T) {
	crowded := func() *signalr.Hub {
		return signalr.New(signalr.Options{Logger: quiet, MaxHandshakes: 2})
	}
	serve(t, crowded, func(t *testing.T, h *signalr.Hub, n *network) {
		first, second := n.open(t, "/hub", nil), n.open(t, "/hub", nil)
		synctest.Wait()
		if got := n.request(t, http.MethodPost, "/hub/negotiate?negotiateVersion=1", nil).StatusCode; got != http.StatusServiceUnavailable {
			t.Errorf("one more is answered with %d, want 503", got)
		}
		first.send(`{"protocol":"json","version":1}` + sep)
		first.expect(`{}`)
		n.greeted(t, nil)
		_ = second.ws.Close()
		synctest.Wait()
		for range 3 {
			n.greeted(t, nil)
		}
		if got := h.Connections(); got != 5 {
			t.Errorf("%d are connected, want 5", got)
		}
	})
}

func TestOneUserWhoSaysNothingDoesNotKeepOthersOut(t *testing.T) {
	o := named
	o.MaxHandshakes = 50
	keep(t, o, func(t *testing.T, _ *diary, n *network) {
		status := func(user string) int {
			return n.request(t, http.MethodPost, "/hub/negotiate?negotiateVersion=1", as(user)).StatusCode
		}
		var silent *client
		for range 5 {
			silent = n.open(t, "/hub", as("silent"))
		}
		synctest.Wait()
		if got := status("silent"); got != http.StatusServiceUnavailable {
			t.Errorf("one more of theirs is answered with %d, want 503", got)
		}
		_, answer, err := (&websocket.Dialer{NetDialContext: n.dial}).DialContext(t.Context(), "ws://hub.test/hub", as("silent"))
		if err == nil || answer == nil || answer.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("and one without negotiation: %v", err)
		}
		n.greeted(t, as("other"))
		silent.send(`{"protocol":"json","version":1}` + sep)
		silent.expect(`{}`)
		if got := status("silent"); got != http.StatusOK {
			t.Errorf("after a handshake, one more is answered with %d", got)
		}
	})
}

func TestOneConnectionHasSoManyRequestsWaitOnly(t *testing.T) {
	for _, via := range []signalr.Transport{signalr.ServerSentEvents, signalr.LongPolling} {
		t.Run(string(via), func(t *testing.T) {
			keep(t, signalr.Options{}, func(t *testing.T, d *diary, n *network) {
				c := n.over(t, via, nil)
				const requests = 200
				var taken, refused atomic.Int64
				for range requests {
					c.reading.Go(func() {
						switch c.post(`{"type":1,"target":"Note","arguments":["x"]}` + sep) {
						case http.StatusOK:
							taken.Add(1)
						case http.StatusTooManyRequests:
							refused.Add(1)
						}
					})
				}
				synctest.Wait()
				if got := refused.Load(); got == 0 || got > requests/2 {
					t.Errorf("%d of %d requests were refused", got, requests)
				}
				for range requests - refused.Load() {
					<-d.calls
				}
				synctest.Wait()
				if taken, refused := taken.Load(), refused.Load(); taken+refused != requests {
					t.Errorf("%d requests were taken and %d refused", taken, refused)
				}
			})
		})
	}
}

func TestOnlyNewConnectionsAreLimited(t *testing.T) {
	for name, o := range map[string]func() signalr.Options{
		"by their number": func() signalr.Options { return signalr.Options{MaxConnections: 1} },
		"by the program": func() signalr.Options {
			var asked atomic.Int64
			return signalr.Options{AllowConnect: func(*http.Request) bool { return asked.Add(1) == 1 }}
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, via := range every {
				t.Run(string(via), func(t *testing.T) {
					keep(t, o(), func(t *testing.T, d *diary, n *network) {
						c := n.over(t, via, nil)
						for i := range 5 {
							c.send(fmt.Sprintf(`{"type":1,"invocationId":"%d","target":"Note","arguments":["x"]}`, i) + sep)
							c.expect(fmt.Sprintf(`{"type":3,"invocationId":"%d","result":null}`, i))
						}
						n.wantRefusal(t, "", "", http.StatusServiceUnavailable)
						if got := d.Connections(); got != 1 {
							t.Errorf("%d connections, want 1", got)
						}
					})
				})
			}
		})
	}
}

func TestAConnectionHasSoManyStreamsOnly(t *testing.T) {
	flow(t, func(t *testing.T, _ *river, n *network) {
		c := n.greeted(t, nil)
		refused := 0
		for i := range 40 {
			c.send(fmt.Sprintf(`{"type":4,"invocationId":"%d","target":"Slowly","arguments":[]}`, i) + sep)
			if strings.Contains(<-c.records, "too many streams at once") {
				refused++
			}
		}
		if refused != 8 {
			t.Errorf("%d of 40 streams were refused, want 8", refused)
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

func TestAStreamTooManyIsLogged(t *testing.T) {
	var log bytes.Buffer
	hub := func() *signalr.Hub {
		h := signalr.New(signalr.Options{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
		h.Handle("Hang", signalr.Stream0(func(ctx context.Context, _ *signalr.Conn) (counted, error) {
			return func(func(int, error) bool) { <-ctx.Done() }, nil
		}))
		return h
	}
	serve(t, hub, func(t *testing.T, _ *signalr.Hub, n *network) {
		c := n.greeted(t, nil)
		for i := range 33 {
			c.send(fmt.Sprintf(`{"type":4,"invocationId":"%d","target":"Hang","arguments":[]}`, i) + sep)
		}
		c.expect(`{"type":3,"invocationId":"32","error":"An unexpected error occurred invoking 'Hang' on the server. HubException: too many streams at once"}`)
		if got := strings.Count(log.String(), "too many streams"); got != 1 {
			t.Errorf("it is logged %d times, want once:\n%s", got, &log)
		}
	})
}

// TestACancelledStreamMakesRoom has a client begin one stream after the other, and
// cancel each before it begins the next one, without waiting for answers.
func TestACancelledStreamMakesRoom(t *testing.T) {
	flow(t, func(t *testing.T, _ *river, n *network) {
		c := n.greeted(t, nil)
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

// TestAStreamThatDoesNotEndKeepsItsPlace has a client whose streams do not heed that
// they are cancelled: it is refused in the end, and read on.
func TestAStreamThatDoesNotEndKeepsItsPlace(t *testing.T) {
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
		c := n.greeted(t, nil)
		for i := range 32 {
			c.send(fmt.Sprintf(`{"type":4,"invocationId":"%d","target":"Deaf","arguments":[]}`+sep+`{"type":5,"invocationId":"%d"}`+sep, i, i))
		}
		start := time.Now()
		c.send(`{"type":4,"invocationId":"last","target":"Deaf","arguments":[]}` + sep)
		c.expect(`{"type":3,"invocationId":"last","error":"An unexpected error occurred invoking 'Deaf' on the server. HubException: too many streams at once"}`)
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("it was refused after %s, want a second", waited)
		}
	})
}
