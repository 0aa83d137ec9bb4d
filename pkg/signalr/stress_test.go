package signalr_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"parley.internal/pkg/signalr"
)

// deadClients are clients that have gone without closing their sockets.
type deadClients struct {
	mu  sync.Mutex
	all []func()
}

func (g *deadClients) add(bury func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all = append(g.all, bury)
}

func (g *deadClients) bury() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, bury := range g.all {
		bury()
	}
}

// TestManyClientsLeaveNothingBehind connects and leaves on a real network in every way at once, while
// others send, and drains in the middle. Some clients stay and become silent.
func TestManyClientsLeaveNothingBehind(t *testing.T) {
	var connected, disconnected atomic.Int64
	h := signalr.New(signalr.Options{Logger: quiet, Backlog: 4 << 10, WriteTimeout: time.Second, ClientTimeout: time.Second, DisconnectTimeout: time.Second})
	h.OnConnect(func(_ context.Context, c *signalr.Conn) error {
		h.Join(c, "g")
		if rand.IntN(10) == 0 {
			return errors.New("no")
		}
		connected.Add(1)
		return nil
	})
	h.OnDisconnect(func(*signalr.Conn, error) { disconnected.Add(1) })
	h.Handle("Say", signalr.Action1(func(_ context.Context, c *signalr.Conn, s string) error {
		switch rand.IntN(20) {
		case 0:
			c.Close("enough", true)
		case 1:
			c.SetExpiry(time.Now())
		case 2:
			h.Leave(c, "g")
		}
		return h.Group("g").Except(c).Send("Said", s)
	}))
	h.Handle("Take", signalr.Action1(func(ctx context.Context, _ *signalr.Conn, items signalr.Incoming[int]) error {
		most := rand.IntN(40)
		for i, err := range items.All(ctx) {
			if err != nil || i > most {
				return err
			}
		}
		switch rand.IntN(10) {
		case 0:
			<-ctx.Done()
		case 1:
			runtime.Goexit()
		}
		return nil
	}))
	server := httptest.NewServer(h)
	defer server.Close()
	address := "ws" + strings.TrimPrefix(server.URL, "http")

	var gone deadClients
	defer gone.bury()
	var clients sync.WaitGroup
	for range 40 {
		clients.Go(func() {
			for range 15 {
				if rand.IntN(2) == 0 {
					visit(address, &gone)
				} else {
					visitByRequests(t.Context(), server.URL, &gone)
				}
			}
		})
	}
	half := time.NewTimer(300 * time.Millisecond)
	<-half.C
	h.Drain(t.Context(), 100*time.Millisecond)
	clients.Wait()
	if err := h.Wait(soon(t)); err != nil {
		t.Fatal(err)
	}
	if c, d := connected.Load(), disconnected.Load(); c != d || c == 0 {
		t.Errorf("OnConnect ran %d times and OnDisconnect %d times", c, d)
	}
}

// uploads are two client streams, maybe without the end of one.
func uploads() string {
	var all strings.Builder
	for _, id := range []string{"a", "b"} {
		fmt.Fprintf(&all, `{"type":1,"invocationId":%q,"target":"Take","arguments":[],"streamIds":[%q]}`+sep, id, id)
	}
	for i := range rand.IntN(60) {
		fmt.Fprintf(&all, `{"type":2,"invocationId":%q,"item":%d}`+sep, []string{"a", "b"}[rand.IntN(2)], i)
	}
	return all.String() + last("a")
}

// visit connects, sends messages, and leaves in a random way.
func visit(address string, gone *deadClients) {
	ws, _, err := websocket.DefaultDialer.Dial(address, nil)
	if err != nil {
		return
	}
	leave := func() { _ = ws.Close() }
	defer func() { leave() }()
	say := func(s string) { _ = ws.WriteMessage(websocket.TextMessage, []byte(s+sep)) }
	say(`{"protocol":"json","version":1}`)
	for range rand.IntN(20) {
		say(`{"type":1,"invocationId":"1","target":"Say","arguments":["` + strings.Repeat("x", 500) + `"]}`)
	}
	if rand.IntN(3) == 0 {
		_ = ws.WriteMessage(websocket.TextMessage, []byte(uploads()))
	}
	switch rand.IntN(5) {
	case 0:
		say(`{"type":7}`)
	case 1:
		say(`nonsense`)
	case 2:
		_ = ws.WriteControl(websocket.CloseMessage, nil, time.Now().Add(time.Second))
	case 3:
		say(`{"type":6}`)
		gone.add(leave)
		leave = func() {}
		return
	}
	_ = ws.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	for err == nil {
		_, _, err = ws.ReadMessage()
	}
}

// visitByRequests is visit without a WebSocket.
func visitByRequests(ctx context.Context, address string, gone *deadClients) {
	ctx, leave := context.WithCancel(ctx)
	defer func() { leave() }()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	ask := func(method, query, body string, header http.Header) (*http.Response, error) {
		r, err := http.NewRequestWithContext(ctx, method, address+query, strings.NewReader(body))
		if err != nil {
			return nil, err
		}
		r.Header = header
		return transport.RoundTrip(r)
	}
	do := func(method, query, body string) {
		if answer, err := ask(method, query, body, http.Header{}); err == nil {
			_, _ = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
		}
	}
	answer, err := ask(http.MethodPost, "/negotiate?negotiateVersion=1", "", http.Header{})
	if err != nil {
		return
	}
	var to negotiated
	err = json.NewDecoder(answer.Body).Decode(&to)
	_ = answer.Body.Close()
	if err != nil {
		return
	}
	id := "?id=" + to.ConnectionToken
	var reading sync.WaitGroup
	defer reading.Wait()
	defer func() { leave() }()
	if rand.IntN(2) == 0 {
		do(http.MethodGet, id, "")
		for range 1 + rand.IntN(2) { // the second poll ends the first
			reading.Go(func() {
				for range 5 {
					do(http.MethodGet, id, "")
				}
			})
		}
	} else {
		events, err := ask(http.MethodGet, id, "", http.Header{"Accept": {"text/event-stream"}})
		if err != nil {
			return
		}
		if rand.IntN(4) == 0 {
			do(http.MethodPost, id, `{"protocol":"json","version":1}`+sep+ping)
			gone.add(leave)
			leave = func() {}
			return
		}
		defer func() { _ = events.Body.Close() }()
		if rand.IntN(2) == 0 {
			reading.Go(func() { _, _ = io.Copy(io.Discard, events.Body) })
		}
	}
	do(http.MethodPost, id, `{"protocol":"json","version":1}`+sep)
	for range rand.IntN(5) {
		do(http.MethodPost, id, strings.Repeat(`{"type":1,"invocationId":"1","target":"Say","arguments":["`+strings.Repeat("x", 500)+`"]}`+sep, 5))
	}
	if rand.IntN(3) == 0 {
		do(http.MethodPost, id, uploads())
	}
	switch rand.IntN(4) {
	case 0:
		do(http.MethodPost, id, `{"type":7}`+sep)
	case 1:
		do(http.MethodPost, id, `nonsense`+sep)
	case 2:
		do(http.MethodDelete, id, "")
	}
}
