package signalr_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"parley.internal/pkg/signalr"
)

// connect connects over TCP and completes the handshake. buffer is the size of the client's receive
// buffer: a client that does not read soon blocks the server's writes. Zero is the system's default.
func connect(t *testing.T, url, user string, buffer int) *websocket.Conn {
	t.Helper()
	dialer := websocket.Dialer{NetDialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if tcp, ok := conn.(*net.TCPConn); ok && buffer > 0 {
			err = tcp.SetReadBuffer(buffer)
		}
		return conn, err
	}}
	ws, answer, err := dialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(url, "http"), http.Header{"User": {user}})
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	t.Cleanup(func() { _ = ws.Close() })
	if err := ws.WriteMessage(websocket.TextMessage, []byte(`{"protocol":"json","version":1}`+sep)); err != nil {
		t.Fatal(err)
	}
	if _, answer, err := ws.ReadMessage(); err != nil || string(answer) != "{}"+sep {
		t.Fatalf("got %q, error %v", answer, err)
	}
	return ws
}

// hangUp closes the socket: the hub need not wait for a close frame.
func hangUp(ws *websocket.Conn) { _ = ws.Close() }

// call is a message to a client: its sender and the number of the sender's message.
type call struct {
	Target    string
	Arguments [2]int
}

func readCall(ws *websocket.Conn) (call, error) {
	for {
		_, frame, err := ws.ReadMessage()
		if err != nil {
			return call{}, err
		}
		var m call
		if err := json.Unmarshal([]byte(strings.TrimSuffix(string(frame), sep)), &m); err != nil {
			return call{}, fmt.Errorf("%q: %w", frame, err)
		}
		if m.Target != "" {
			return m, nil
		}
	}
}

// TestOrderHoldsWhileClientsJoinAndStall has clients that join and leave several groups, and some of
// them read with pauses. Each client gets a sender's messages in order, and each message to all.
func TestOrderHoldsWhileClientsJoinAndStall(t *testing.T) {
	const senders, clients, messages = 4, 12, 3000
	options := named
	options.Backlog = 64 << 20 // no client lags
	options.Logger = quiet
	conns := make(chan *signalr.Conn, clients)
	h := signalr.New(options)
	h.OnConnect(func(_ context.Context, c *signalr.Conn) error {
		conns <- c
		return nil
	})
	server := httptest.NewServer(h)
	defer server.Close()
	defer end(t, h)

	var reading sync.WaitGroup
	var all []*signalr.Conn
	for i := range clients {
		ws := connect(t, server.URL, fmt.Sprint("u", i%3), 128<<10*(i%2))
		all = append(all, <-conns)
		reading.Go(func() { listen(t, ws, i%4 == 1, senders, messages) })
	}
	var sending sync.WaitGroup
	for s := range senders {
		sending.Go(func() {
			for i := range messages {
				_ = target(h, all, i).Send("Some", s, i)
				if i%10 == 0 {
					_ = h.All().Send("All", s, i)
				}
				if i%7 == 0 {
					h.Join(all[rand.IntN(clients)], fmt.Sprint("g", i%5))
					h.Leave(all[rand.IntN(clients)], fmt.Sprint("g", (i+1)%5))
				}
			}
			_ = h.All().Send("End", s, messages)
		})
	}
	sending.Wait()
	reading.Wait()
}

func end(t *testing.T, h *signalr.Hub) {
	t.Helper()
	h.Drain(t.Context(), 0)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	if err := h.Wait(ctx); err != nil {
		t.Error(err)
	}
}

// target returns varying audiences.
func target(h *signalr.Hub, all []*signalr.Conn, i int) interface {
	Send(target string, args ...any) error
} {
	switch one := all[i%len(all)]; i % 6 {
	case 0:
		return h.User(one.User())
	case 1, 2:
		return h.Group(fmt.Sprint("g", i%5))
	case 3:
		return h.Group(fmt.Sprint("g", i%5)).Except(one)
	case 4:
		return h.Others(one)
	default:
		return one
	}
}

// listen reads until the last message of each sender, with pauses if lazy.
func listen(t *testing.T, ws *websocket.Conn, lazy bool, senders, messages int) {
	defer hangUp(ws)
	next := make([]int, senders)    // lower bound for any message
	nextAll := make([]int, senders) // of the messages to all
	for n, ended := 0, 0; ended < senders; n++ {
		m, err := readCall(ws)
		if err != nil {
			t.Error(err)
			return
		}
		s, i := m.Arguments[0], m.Arguments[1]
		if i < next[s] {
			t.Errorf("sender %d: got %s %d behind %d", s, m.Target, i, next[s])
			return
		}
		next[s] = i
		switch m.Target {
		case "All":
			if i != nextAll[s] {
				t.Errorf("sender %d: got message %d to all, want %d", s, i, nextAll[s])
				return
			}
			nextAll[s] += 10
		case "End":
			if nextAll[s] != messages {
				t.Errorf("sender %d: ended before message %d", s, nextAll[s])
			}
			ended++
		}
		if lazy && n%500 == 0 {
			pass(10 * time.Millisecond)
		}
	}
}

// TestSlowConsumersDoNotDelayOthers has clients that read nothing, a tenth of all, while everyone is
// sent more than a socket buffer holds.
func TestSlowConsumersDoNotDelayOthers(t *testing.T) {
	const clients, messages = 20, 500
	options := signalr.Options{Logger: quiet, Backlog: 128 << 10, WriteTimeout: time.Minute}
	h := signalr.New(options)
	ended := make(chan error, clients)
	h.OnDisconnect(func(_ *signalr.Conn, err error) { ended <- err })
	server := httptest.NewServer(h)
	defer server.Close()
	defer end(t, h)

	var stalled []*websocket.Conn
	var reading sync.WaitGroup
	heard := make(chan int, clients*messages)
	for i := range clients {
		if i%10 == 0 {
			stalled = append(stalled, connect(t, server.URL, "", 256<<10))
			continue
		}
		ws := connect(t, server.URL, "", 0)
		reading.Go(func() {
			defer hangUp(ws)
			for n := range messages {
				want := fmt.Sprintf(`{"type":1,"target":"Told","arguments":[%d,`, n)
				_, frame, err := ws.ReadMessage()
				if err != nil || !strings.HasPrefix(string(frame), want) {
					t.Errorf("got %.60q, want %s, error %v", frame, want, err)
					return
				}
				heard <- n
			}
		})
	}
	long := strings.Repeat("x", 16<<10)
	for n := range messages {
		if err := h.All().Send("Told", n, long); err != nil {
			t.Fatal(err)
		}
		ctx := soon(t)
		for range clients - len(stalled) {
			select {
			case <-heard:
			case <-ctx.Done():
				t.Fatalf("message %d did not reach all reading clients", n)
			}
		}
	}
	reading.Wait()
	for _, ws := range stalled {
		if n := readToClose(t, ws); n == 0 || n >= messages {
			t.Errorf("a slow consumer got %d of %d messages", n, messages)
		}
		if err := within(t, ended); err == nil {
			t.Error("the client counts as having left by itself")
		}
	}
}

// readToClose reads the remaining messages of a disconnected client and its Close message.
func readToClose(t *testing.T, ws *websocket.Conn) (messages int) {
	t.Helper()
	for {
		_, frame, err := ws.ReadMessage()
		if err != nil {
			t.Errorf("after %d messages: %v", messages, err)
			return messages
		}
		var m struct {
			Type           int
			AllowReconnect bool
			Arguments      []any
		}
		if err := json.Unmarshal([]byte(strings.TrimSuffix(string(frame), sep)), &m); err != nil {
			t.Fatalf("%.60q: %v", frame, err)
		}
		switch m.Type {
		case 1:
			if m.Arguments[0] != float64(messages) {
				t.Fatalf("got %v, want %d", m.Arguments[0], messages)
			}
			messages++
		case 7:
			if !m.AllowReconnect {
				t.Error("the client is not told to reconnect")
			}
			return messages
		}
	}
}
