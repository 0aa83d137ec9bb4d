package signalr_test

import (
	"fmt"
	"net/http"
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
