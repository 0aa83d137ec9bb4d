package signalr_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"parley.internal/pkg/signalr"
)

// TestNothingIsLeftOfManyClients comes and goes on a real network in every way
// at once, while others send, and drains in the middle of it.
func TestNothingIsLeftOfManyClients(t *testing.T) {
	var connected, disconnected atomic.Int64
	h := signalr.New(signalr.Options{Logger: quiet, Backlog: 4 << 10, WriteTimeout: time.Second})
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
	server := httptest.NewServer(h)
	defer server.Close()
	address := "ws" + strings.TrimPrefix(server.URL, "http")

	var clients sync.WaitGroup
	for range 40 {
		clients.Go(func() {
			for range 15 {
				visit(address)
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
		t.Errorf("%d connected and %d disconnected", c, d)
	}
}

// visit connects, says something, and leaves somehow.
func visit(address string) {
	ws, _, err := websocket.DefaultDialer.Dial(address, nil)
	if err != nil {
		return
	}
	defer func() { _ = ws.Close() }()
	say := func(s string) { _ = ws.WriteMessage(websocket.TextMessage, []byte(s+sep)) }
	say(`{"protocol":"json","version":1}`)
	for range rand.IntN(20) {
		say(`{"type":1,"invocationId":"1","target":"Say","arguments":["` + strings.Repeat("x", 500) + `"]}`)
	}
	switch rand.IntN(4) {
	case 0:
		say(`{"type":7}`)
	case 1:
		say(`nonsense`)
	case 2:
		_ = ws.WriteControl(websocket.CloseMessage, nil, time.Now().Add(time.Second))
	}
	_ = ws.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	for err == nil {
		_, _, err = ws.ReadMessage()
	}
}
