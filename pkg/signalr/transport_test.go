package signalr_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"parley.internal/pkg/signalr"
)

// every lists the transports.
var every = []signalr.Transport{signalr.WebSockets, signalr.ServerSentEvents, signalr.LongPolling}

const hello = `{"protocol":"json","version":1}` + sep

// over connects over a transport and completes the handshake.
func (n *network) over(t *testing.T, via signalr.Transport, header http.Header) *client {
	t.Helper()
	var c *client
	switch via {
	case signalr.ServerSentEvents:
		c = n.listen(t, header)
	case signalr.LongPolling:
		c = n.poll(t, header)
	default:
		return n.handshaken(t, header)
	}
	c.send(hello)
	c.expect(`{}`)
	return c
}

// onEach runs fn against a recorder over each transport.
func onEach(t *testing.T, o signalr.Options, fn func(t *testing.T, d *recorder, n *network, via signalr.Transport)) {
	t.Helper()
	for _, via := range every {
		t.Run(string(via), func(t *testing.T) {
			withRecorder(t, o, func(t *testing.T, d *recorder, n *network) { fn(t, d, n, via) })
		})
	}
}

func TestEachTransportCarriesCallsBothWays(t *testing.T) {
	onEach(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network, via signalr.Transport) {
		c := n.over(t, via, nil)
		c.send(`{"type":1,"invocationId":"1","target":"Note","arguments":["one"]}` + sep +
			`{"type":1,"invocationId":"2","target":"Note","arguments":["t`)
		c.send(`wo"]}` + sep)
		c.expect(`{"type":3,"invocationId":"1","result":null}`, `{"type":3,"invocationId":"2","result":null}`)
		conn := <-d.conns
		for i := range 100 {
			if err := errors.Join(d.All().Send("Number", i), conn.Send("Own", i)); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 100 {
			c.expect(fmt.Sprintf(`{"type":1,"target":"Number","arguments":[%d]}`, i), fmt.Sprintf(`{"type":1,"target":"Own","arguments":[%d]}`, i))
		}
	})
}

func TestLongMessagesArriveOnEachTransport(t *testing.T) {
	onEach(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network, via signalr.Transport) {
		c := n.over(t, via, nil)
		text := strings.Repeat("long ", 40_000)
		if err := errors.Join(d.All().Send("Said", text), d.All().Send("Said", "line\r\nbreak")); err != nil {
			t.Fatal(err)
		}
		c.expect(`{"type":1,"target":"Said","arguments":["`+text+`"]}`, `{"type":1,"target":"Said","arguments":["line\r\nbreak"]}`)
	})
}

func TestIdleConnectionStaysOpenOnEachTransport(t *testing.T) {
	onEach(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network, via signalr.Transport) {
		c := n.over(t, via, nil)
		pass(10 * time.Minute)
		c.send(`{"type":1,"invocationId":"1","target":"Note","arguments":["x"]}` + sep)
		c.expect(`{"type":3,"invocationId":"1","result":null}`)
		want := 40
		if via == signalr.LongPolling {
			want = 0 // The polls are enough.
		}
		if got := len(c.pings); got != want {
			t.Errorf("got %d pings, want %d", got, want)
		}
	})
}

func TestCloseReasonReachesTheClientOnEachTransport(t *testing.T) {
	onEach(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network, via signalr.Transport) {
		c := n.over(t, via, nil)
		start := time.Now()
		conn := <-d.conns
		if err := conn.Send("Last"); err != nil {
			t.Fatal(err)
		}
		conn.Close("revoked", true)
		c.expect(`{"type":1,"target":"Last","arguments":[]}`, `{"type":7,"error":"revoked","allowReconnect":true}`)
		c.expectEnd()
		d.wantEnd(t, true)
		if got := time.Since(start); got != 0 {
			t.Errorf("it took %s", got)
		}
	})
}

func TestMalformedMessageClosesOneConnectionOnEachTransport(t *testing.T) {
	for name, message := range map[string]string{
		"invalid JSON":        `{"type":`,
		"a message too large": `{"type":6,"x":"` + strings.Repeat("x", 32<<10) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network, via signalr.Transport) {
				other, c := n.over(t, via, nil), n.over(t, via, nil)
				c.attempt(message + sep) // too large, and rejected before the end
				d.wantOnlyThisBroken(t, c, other)
			})
		})
	}
}

func TestClientTimeoutOnEachTransport(t *testing.T) {
	onEach(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network, via signalr.Transport) {
		c := n.over(t, via, nil)
		c.send(ping)
		start := time.Now()
		c.expect(`{"type":7,"error":"Connection closed with an error.","allowReconnect":true}`)
		if got := time.Since(start); got != 30*time.Second {
			t.Errorf("disconnected after %s, want 30s", got)
		}
		d.wantEnd(t, false)
	})
}

func TestDrainClosesEachTransport(t *testing.T) {
	onEach(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network, via signalr.Transport) {
		c := n.over(t, via, nil)
		c.send(`{"type":1,"target":"Note","arguments":["a slow one"]}` + sep)
		synctest.Wait()
		d.Drain(t.Context(), 0)
		c.expect(reconnectMessage)
		c.expectEnd()
		d.wantEnd(t, true)
		if got := <-d.calls; got != "a slow one" {
			t.Errorf("ran %q", got)
		}
	})
}

func TestBackpressureOnEachTransport(t *testing.T) {
	onEach(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network, via signalr.Transport) {
		c := n.over(t, via, nil)
		const calls = 40
		start := time.Now()
		var sent atomic.Int64
		c.reading.Go(func() {
			for i := range calls {
				c.send(fmt.Sprintf(`{"type":1,"target":"Note","arguments":["%d"]}`, i) + sep)
				sent.Add(1)
			}
		})
		synctest.Wait()
		if got := sent.Load(); got >= calls/2+1 {
			t.Errorf("%d calls were read while the first one ran", got)
		}
		for i := range calls {
			if got := <-d.calls; got != fmt.Sprint(i) {
				t.Fatalf("call %d is %s", i, got)
			}
		}
		if got := time.Since(start); got != calls*3*time.Second {
			t.Errorf("it took %s", got)
		}
	})
}

func TestStalledWriteTimesOutOnEachTransport(t *testing.T) {
	for _, via := range []signalr.Transport{signalr.ServerSentEvents, signalr.LongPolling} {
		t.Run(string(via), func(t *testing.T) {
			withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
				id := n.token(t, nil)
				header := http.Header{}
				if via == signalr.ServerSentEvents {
					header = accept(nil)
				}
				answer, err := n.ask(t.Context(), http.MethodGet, "/hub?id="+id, header, "")
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = answer.Body.Close() }()
				n.sender(t, id, nil).send(hello)
				conn := <-d.conns
				if via == signalr.LongPolling { // The greeting is the answer to a poll.
					if got := bodyOf(t, n.request(t, http.MethodGet, "/hub?id="+id, nil)); got != "{}"+sep {
						t.Fatalf("got the handshake response %q", got)
					}
					poll, err := n.dial(t.Context(), "", "")
					if err != nil {
						t.Fatal(err)
					}
					defer func() { _ = poll.Close() }()
					if _, err := io.WriteString(poll, "GET /hub?id="+id+" HTTP/1.1\r\nHost: hub.test\r\n\r\n"); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
				}
				start := time.Now()
				if err := conn.Send("Much", strings.Repeat("x", 100_000)); err != nil {
					t.Fatal(err)
				}
				d.wantEnd(t, false)
				if got := time.Since(start); got < 10*time.Second || got > 12*time.Second {
					t.Errorf("disconnected after %s, want 10s", got)
				}
			})
		})
	}
}
