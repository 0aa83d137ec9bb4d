package signalr_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"parley.internal/pkg/signalr"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const sep = "\x1e"

var quiet = slog.New(slog.DiscardHandler)

// network is an in-memory listener. Its connections do not buffer: a client that does not read blocks
// the server's next write, and the clock of synctest advances when all goroutines wait.
type network struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
	loss  *loss // of connections; nil: none
}

func newNetwork() *network {
	return &network{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (n *network) Accept() (net.Conn, error) {
	select {
	case c := <-n.conns:
		return c, nil
	case <-n.done:
		return nil, net.ErrClosed
	}
}

func (n *network) Close() error {
	n.once.Do(func() { close(n.done) })
	return nil
}

func (n *network) Addr() net.Addr { return &net.TCPAddr{} }

func (n *network) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case n.conns <- there:
		if n.loss != nil {
			here = &lossyConn{Conn: here, loss: n.loss, closed: make(chan struct{})}
		}
		return here, nil
	case <-n.done:
		return nil, net.ErrClosed
	}
}

// serve runs fn against the hub in a synctest bubble, where time advances only when all goroutines
// wait. Afterwards the hub must have no goroutines.
func serve(t *testing.T, hub func() *signalr.Hub, fn func(t *testing.T, h *signalr.Hub, n *network)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h, n := hub(), newNetwork()
		// Timeouts as in a service: they must not end long-lived requests.
		server := http.Server{Handler: h, ReadTimeout: 10 * time.Second, WriteTimeout: 20 * time.Second}
		var serving sync.WaitGroup
		serving.Go(func() { _ = server.Serve(n) })

		defer func() {
			h.Drain(t.Context(), 0)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := h.Wait(ctx); err != nil {
				t.Error(err)
			}
			_ = server.Close()
			serving.Wait()
		}()
		fn(t, h, n)
	})
}

// request sends an HTTP request and reads the whole response.
func (n *network) request(t *testing.T, method, path string, header http.Header) *http.Response {
	t.Helper()
	answer, err := n.ask(t.Context(), method, path, header, "")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	answer.Body = io.NopCloser(strings.NewReader(string(body)))
	return answer
}

// ask sends an HTTP request and leaves the body of the response to the caller.
func (n *network) ask(ctx context.Context, method, path string, header http.Header, body string) (*http.Response, error) {
	transport := &http.Transport{DialContext: n.dial, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, method, "http://hub.test"+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if header != nil {
		r.Header = header.Clone()
	}
	return transport.RoundTrip(r)
}

func bodyOf(t *testing.T, answer *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// client speaks the protocol byte by byte.
type client struct {
	t      *testing.T
	ws     *websocket.Conn
	post   func(body string) int // nil: messages are sent over ws
	hangUp func()                // without a WebSocket

	reading sync.WaitGroup
	records chan string // received records without pings; closed with the socket
	pings   chan time.Time
	ended   error
}

// open connects and reads all messages.
func (n *network) open(t *testing.T, path string, header http.Header) *client {
	t.Helper()
	c := n.stalled(t, path, header)
	c.records = make(chan string, 10_000)
	c.pings = make(chan time.Time, 10_000)
	c.reading.Go(c.read)
	return c
}

// stalled connects and reads nothing.
func (n *network) stalled(t *testing.T, path string, header http.Header) *client {
	t.Helper()
	dialer := websocket.Dialer{NetDialContext: n.dial}
	ws, answer, err := dialer.DialContext(t.Context(), "ws://hub.test"+path, header)
	if err != nil {
		if answer != nil {
			t.Fatalf("connect: %v (%s)", err, answer.Status)
		}
		t.Fatalf("connect: %v", err)
	}
	c := &client{t: t, ws: ws}
	t.Cleanup(func() {
		_ = ws.Close()
		c.reading.Wait()
	})
	return c
}

// handshaken connects and completes the handshake.
func (n *network) handshaken(t *testing.T, header http.Header) *client {
	t.Helper()
	c := n.open(t, "/hub", header)
	c.send(`{"protocol":"json","version":1}` + sep)
	c.expect(`{}`)
	return c
}

func (c *client) read() {
	defer close(c.records)
	for {
		kind, data, err := c.ws.ReadMessage()
		if err != nil {
			c.ended = err
			return
		}
		if kind == websocket.BinaryMessage && string(data) != "{}"+sep { // MessagePack
			c.records <- string(data)
			continue
		}
		c.take(string(data))
	}
}

// take records the records of a frame.
func (c *client) take(frame string) {
	text, whole := strings.CutSuffix(frame, sep)
	if !whole {
		c.t.Errorf("a frame does not end with a separator: %q", frame)
	}
	for record := range strings.SplitSeq(text, sep) {
		if record == `{"type":6}` {
			c.pings <- time.Now()
			continue
		}
		c.records <- record
	}
}

func (c *client) send(frame string) {
	c.t.Helper()
	if c.post != nil {
		if status := c.post(frame); status != http.StatusOK {
			c.t.Fatalf("send %q: got status %d, want 200", frame, status)
		}
		return
	}
	if err := c.ws.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
		c.t.Fatalf("send %q: %v", frame, err)
	}
}

// attempt sends a frame that may be rejected.
func (c *client) attempt(frame string) {
	if c.post != nil {
		c.post(frame)
		return
	}
	_ = c.ws.WriteMessage(websocket.TextMessage, []byte(frame))
}

// expect checks the next records as JSON.
func (c *client) expect(records ...string) {
	c.t.Helper()
	for _, want := range records {
		got, open := <-c.records
		if !open {
			c.t.Fatalf("the socket closed (%v), want %s", c.ended, want)
		}
		if !sameJSON(c.t, got, want) {
			c.t.Fatalf("got %s, want %s", got, want)
		}
	}
}

// expectNothing checks that no record arrives once all goroutines wait.
func (c *client) expectNothing() {
	c.t.Helper()
	synctest.Wait()
	select {
	case got, open := <-c.records:
		c.t.Fatalf("got %q (open: %v), want nothing", got, open)
	default:
	}
}

// expectEnd checks that the server closes the socket with a normal closure.
func (c *client) expectEnd() {
	c.t.Helper()
	for record := range c.records {
		c.t.Fatalf("got %s, want the end", record)
	}
	if !errors.Is(c.ended, io.EOF) && !websocket.IsCloseError(c.ended, websocket.CloseNormalClosure) {
		c.t.Fatalf("ended with %v, want a normal closure", c.ended)
	}
}

// leave closes the socket with a status code.
func (c *client) leave(code int) {
	c.t.Helper()
	bye := websocket.FormatCloseMessage(code, "")
	if err := c.ws.WriteControl(websocket.CloseMessage, bye, time.Now().Add(time.Minute)); err != nil {
		c.t.Fatal(err)
	}
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal([]byte(a), &x); err != nil {
		t.Fatalf("%q: %v", a, err)
	}
	if err := json.Unmarshal([]byte(b), &y); err != nil {
		t.Fatalf("%q: %v", b, err)
	}
	one, _ := json.Marshal(x)
	other, _ := json.Marshal(y)
	return string(one) == string(other)
}

// pass advances the clock of a bubble.
func pass(d time.Duration) { <-time.After(d) }
