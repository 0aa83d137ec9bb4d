package signalr_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"parley.internal/pkg/signalr"
)

const reconnectMessage = `{"type":7,"allowReconnect":true}`

func TestDrainSpreadsTheClosing(t *testing.T) {
	withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
		const count = 5
		ends := make(chan time.Duration, count)
		start := time.Now()
		for range count {
			c := n.handshaken(t, nil)
			c.reading.Go(func() {
				if got := <-c.records; got != reconnectMessage {
					t.Errorf("got %s, want %s", got, reconnectMessage)
				}
				ends <- time.Since(start)
			})
		}
		d.Drain(t.Context(), 10*time.Second)
		if err := d.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range count {
			if got, want := <-ends, time.Duration(i)*2*time.Second; got != want {
				t.Errorf("connection %d ended after %s, want %s", i, got, want)
			}
			if err := <-d.ended; err != nil {
				t.Errorf("a drained connection ended with %v", err)
			}
		}
		n.wantRefusal(t, "", "", http.StatusServiceUnavailable)
		if answer := n.request(t, "POST", "/hub/negotiate", nil); answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
			t.Errorf("negotiate answered %s", answer.Status)
		}
	})
}

func TestDrainClosesAtOnceWhenItsContextIsDone(t *testing.T) {
	withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
		for range 5 {
			n.handshaken(t, nil)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		d.Drain(ctx, time.Hour)
		if got := time.Since(start); got != 3*time.Second {
			t.Errorf("the drain took %s, want 3s", got)
		}
	})
}

func TestDrainLetsMethodsFinish(t *testing.T) {
	withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
		c := n.handshaken(t, nil)
		c.send(`{"type":1,"invocationId":"1","target":"Note","arguments":["x"]}` + sep)
		synctest.Wait()
		d.Drain(t.Context(), 0)
		c.expect(`{"type":3,"invocationId":"1","result":null}`, reconnectMessage)
		c.expectEnd()
		d.wantEnd(t, true)
	})
}

func TestDrainDoesNotWaitForAHandshake(t *testing.T) {
	withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
		c := n.open(t, "/hub", nil)
		start := time.Now()
		d.Drain(t.Context(), 0)
		if err := d.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		c.expect(`{"error":"Handshake was canceled."}`)
		if got := time.Since(start); got != 0 {
			t.Errorf("it took %s", got)
		}
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
		n.handshaken(t, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := d.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got error %v, want the context's", err)
		}
	})
}

// TestDrainDuringHandshakes drains during many handshakes: an admitted client gets the handshake
// response first.
func TestDrainDuringHandshakes(t *testing.T) {
	for i := range 200 {
		h := signalr.New(signalr.Options{Logger: quiet})
		h.OnConnect(func(_ context.Context, c *signalr.Conn) error { return c.Send("Hello") })
		server := httptest.NewServer(h)
		var clients sync.WaitGroup
		ready := make(chan struct{})
		for range 16 {
			ws, answer, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http"), nil)
			if err != nil {
				t.Fatal(err)
			}
			_ = answer.Body.Close()
			clients.Go(func() {
				defer hangUp(ws)
				<-ready
				_ = ws.WriteMessage(websocket.TextMessage, []byte(`{"protocol":"json","version":1}`+sep))
				_, first, err := ws.ReadMessage()
				if strings.HasPrefix(string(first), `{"type"`) {
					t.Errorf("got %q before the handshake response", first)
				}
				for err == nil {
					_, _, err = ws.ReadMessage()
				}
			})
		}
		close(ready)
		for range i % 50 { // a moment during the handshakes
			runtime.Gosched()
		}
		h.Drain(t.Context(), 0)
		clients.Wait()
		if err := h.Wait(soon(t)); err != nil {
			t.Error(err)
		}
		server.Close()
	}
}
