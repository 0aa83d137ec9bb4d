package signalr_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.internal/pkg/signalr"
)

// every transport that a client may use.
var every = []signalr.Transport{signalr.WebSockets, signalr.ServerSentEvents, signalr.LongPolling}

const hello = `{"protocol":"json","version":1}` + sep

// token negotiates.
func (n *network) token(t *testing.T, header http.Header) string {
	t.Helper()
	return n.negotiate(t, "?negotiateVersion=1", header).ConnectionToken
}

func accept(header http.Header) http.Header {
	header = header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set("Accept", "text/event-stream")
	return header
}

// over connects by a transport, and shakes hands.
func (n *network) over(t *testing.T, via signalr.Transport, header http.Header) *client {
	t.Helper()
	var c *client
	switch via {
	case signalr.ServerSentEvents:
		c = n.listen(t, header)
	case signalr.LongPolling:
		c = n.poll(t, header)
	default:
		return n.greeted(t, header)
	}
	c.send(hello)
	c.expect(`{}`)
	return c
}

// sender is a client that sends by requests.
func (n *network) sender(t *testing.T, id string, header http.Header) *client {
	t.Helper()
	c := &client{t: t, records: make(chan string, 10_000), pings: make(chan time.Time, 10_000)}
	c.post = func(body string) int {
		t.Helper()
		answer, err := n.ask(t.Context(), http.MethodPost, "/hub?id="+id, header, body)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		return answer.StatusCode
	}
	return c
}

// listen connects by server-sent events.
func (n *network) listen(t *testing.T, header http.Header) *client {
	t.Helper()
	id := n.token(t, header)
	c := n.sender(t, id, header)
	ctx, leave := context.WithCancel(t.Context())
	answer, err := n.ask(ctx, http.MethodGet, "/hub?id="+id, accept(header), "")
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("connect: %v, %v", answer, err)
	}
	c.reading.Go(func() {
		defer close(c.records)
		c.ended = c.events(answer.Body)
	})
	c.hangUp = leave
	t.Cleanup(func() {
		leave()
		c.reading.Wait()
		_ = answer.Body.Close()
	})
	return c
}

func (c *client) events(body io.Reader) error {
	lines := bufio.NewReader(body)
	for {
		event, err := lines.ReadString('\n')
		if err != nil {
			return err
		}
		end, err := lines.ReadString('\n')
		if err != nil {
			return err
		}
		data, is := strings.CutPrefix(event, "data: ")
		switch {
		case end != "\r\n" || !strings.HasSuffix(event, "\r\n"):
			return fmt.Errorf("no event: %q %q", event, end)
		case is:
			c.take(strings.TrimSuffix(data, "\r\n"))
		case event != ":\r\n":
			return fmt.Errorf("neither data nor a comment: %q", event)
		}
	}
}

// poll connects by long polling.
func (n *network) poll(t *testing.T, header http.Header) *client {
	t.Helper()
	id := n.token(t, header)
	c := n.sender(t, id, header)
	if answer := n.request(t, http.MethodGet, "/hub?id="+id, header); answer.StatusCode != http.StatusOK || bodyOf(t, answer) != "" {
		t.Fatalf("the first poll was answered with %s", answer.Status)
	}
	ctx, leave := context.WithCancel(t.Context())
	c.reading.Go(func() {
		defer close(c.records)
		for c.ended == nil {
			c.ended = c.next(ctx, n, id, header)
		}
	})
	c.hangUp = leave
	t.Cleanup(func() {
		leave()
		c.reading.Wait()
	})
	return c
}

// next polls once. io.EOF: the server says that it was the last time.
func (c *client) next(ctx context.Context, n *network, id string, header http.Header) error {
	answer, err := n.ask(ctx, http.MethodGet, "/hub?id="+id, header, "")
	if err != nil {
		return err
	}
	body, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	switch {
	case err != nil:
		return err
	case answer.StatusCode == http.StatusNoContent:
		return io.EOF
	case answer.StatusCode != http.StatusOK:
		return errors.New(answer.Status)
	case len(body) > 0:
		c.take(string(body))
	}
	return nil
}

// onEach runs fn against a diary over each transport.
func onEach(t *testing.T, o signalr.Options, fn func(t *testing.T, d *diary, n *network, via signalr.Transport)) {
	t.Helper()
	for _, via := range every {
		t.Run(string(via), func(t *testing.T) {
			keep(t, o, func(t *testing.T, d *diary, n *network) { fn(t, d, n, via) })
		})
	}
}

func TestEachTransportCarriesCallsBothWays(t *testing.T) {
	onEach(t, signalr.Options{}, func(t *testing.T, d *diary, n *network, via signalr.Transport) {
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
	onEach(t, signalr.Options{}, func(t *testing.T, d *diary, n *network, via signalr.Transport) {
		c := n.over(t, via, nil)
		text := strings.Repeat("long ", 40_000)
		if err := errors.Join(d.All().Send("Said", text), d.All().Send("Said", "line\r\nbreak")); err != nil {
			t.Fatal(err)
		}
		c.expect(`{"type":1,"target":"Said","arguments":["`+text+`"]}`, `{"type":1,"target":"Said","arguments":["line\r\nbreak"]}`)
	})
}

func TestAConnectionLivesThroughSilenceOnEachTransport(t *testing.T) {
	onEach(t, signalr.Options{}, func(t *testing.T, d *diary, n *network, via signalr.Transport) {
		c := n.over(t, via, nil)
		pass(10 * time.Minute)
		c.send(`{"type":1,"invocationId":"1","target":"Note","arguments":["x"]}` + sep)
		c.expect(`{"type":3,"invocationId":"1","result":null}`)
		want := 40
		if via == signalr.LongPolling {
			want = 0 // The polls are enough.
		}
		if got := len(c.pings); got != want {
			t.Errorf("%d pings, want %d", got, want)
		}
	})
}

func TestTheServerTellsWhyItClosesOnEachTransport(t *testing.T) {
	onEach(t, signalr.Options{}, func(t *testing.T, d *diary, n *network, via signalr.Transport) {
		c := n.over(t, via, nil)
		start := time.Now()
		conn := <-d.conns
		if err := conn.Send("Last"); err != nil {
			t.Fatal(err)
		}
		conn.Close("revoked", true)
		c.expect(`{"type":1,"target":"Last","arguments":[]}`, `{"type":7,"error":"revoked","allowReconnect":true}`)
		c.expectEnd()
		d.wantEnding(t, true)
		if got := time.Since(start); got != 0 {
			t.Errorf("it took %s", got)
		}
	})
}

func TestEventsCarryNoBinaryProtocol(t *testing.T) {
	keep(t, signalr.Options{}, func(t *testing.T, d *diary, n *network) {
		c := n.listen(t, nil)
		c.send(`{"protocol":"messagepack","version":1}` + sep)
		c.expect(`{"error":"Cannot use the 'messagepack' protocol on the current transport. ` +
			`The transport does not support 'Binary' transfer format."}`)
		c.expectEnd()
	})
}

func TestAClientThatIsRefusedIsToldOnEachTransport(t *testing.T) {
	for _, via := range []signalr.Transport{signalr.ServerSentEvents, signalr.LongPolling} {
		t.Run(string(via), func(t *testing.T) {
			keep(t, signalr.Options{}, func(t *testing.T, d *diary, n *network) {
				connect := n.listen
				if via == signalr.LongPolling {
					connect = n.poll
				}
				c := connect(t, nil)
				c.send(`{"protocol":"smoke","version":1}` + sep)
				c.expect(`{"error":"The protocol 'smoke' is not supported."}`)
				c.expectEnd()

				silent := connect(t, nil)
				start := time.Now()
				silent.expect(`{"error":"Handshake was canceled."}`)
				silent.expectEnd()
				if got := time.Since(start); got != 15*time.Second {
					t.Errorf("left after %s, want 15s", got)
				}
			})
		})
	}
}

func TestWhatAClientBreaksIsItsOwnConnectionOnEachTransport(t *testing.T) {
	for name, message := range map[string]string{
		"no JSON":             `{"type":`,
		"a message too large": `{"type":6,"x":"` + strings.Repeat("x", 32<<10) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, signalr.Options{}, func(t *testing.T, d *diary, n *network, via signalr.Transport) {
				other, c := n.over(t, via, nil), n.over(t, via, nil)
				c.attempt(message + sep) // too much is refused before its end
				d.wantBrokenAlone(t, c, other)
			})
		})
	}
}

func TestAClientThatPingsMustGoOnOnEachTransport(t *testing.T) {
	onEach(t, signalr.Options{}, func(t *testing.T, d *diary, n *network, via signalr.Transport) {
		c := n.over(t, via, nil)
		c.send(ping)
		start := time.Now()
		c.expect(`{"type":7,"error":"Connection closed with an error.","allowReconnect":true}`)
		if got := time.Since(start); got != 30*time.Second {
			t.Errorf("left after %s, want 30s", got)
		}
		d.wantEnding(t, false)
	})
}

func TestDrainEndsEachTransport(t *testing.T) {
	onEach(t, signalr.Options{}, func(t *testing.T, d *diary, n *network, via signalr.Transport) {
		c := n.over(t, via, nil)
		c.send(`{"type":1,"target":"Note","arguments":["a slow one"]}` + sep)
		synctest.Wait()
		d.Drain(t.Context(), 0)
		c.expect(comeBack)
		c.expectEnd()
		d.wantEnding(t, true)
		if got := <-d.calls; got != "a slow one" {
			t.Errorf("done: %q", got)
		}
	})
}

func TestAClientThatSendsTooMuchWaitsOnEachTransport(t *testing.T) {
	onEach(t, signalr.Options{}, func(t *testing.T, d *diary, n *network, via signalr.Transport) {
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
			t.Errorf("%d calls were taken while the first one runs", got)
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

func TestAStalledClientIsLeftAfterWriteTimeoutOnEachTransport(t *testing.T) {
	for _, via := range []signalr.Transport{signalr.ServerSentEvents, signalr.LongPolling} {
		t.Run(string(via), func(t *testing.T) {
			keep(t, signalr.Options{}, func(t *testing.T, d *diary, n *network) {
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
						t.Fatalf("greeted with %q", got)
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
				d.wantEnding(t, false)
				if got := time.Since(start); got < 10*time.Second || got > 12*time.Second {
					t.Errorf("left after %s, want 10s", got)
				}
			})
		})
	}
}

func TestTransportsThatAreNotAllowedAreNeitherOfferedNorServed(t *testing.T) {
	for _, allowed := range every {
		t.Run("only "+string(allowed), func(t *testing.T) {
			keep(t, signalr.Options{Transports: []signalr.Transport{allowed}}, func(t *testing.T, d *diary, n *network) {
				var offered []string
				for _, o := range n.negotiate(t, "?negotiateVersion=1", nil).AvailableTransports {
					offered = append(offered, fmt.Sprint(o["transport"]))
				}
				if diff := cmp.Diff([]string{string(allowed)}, offered); diff != "" {
					t.Errorf("offered (-want +got):\n%s", diff)
				}
				for via, header := range map[signalr.Transport]http.Header{
					signalr.WebSockets:       {"Connection": {"Upgrade"}, "Upgrade": {"websocket"}},
					signalr.ServerSentEvents: accept(nil),
					signalr.LongPolling:      {},
				} {
					if via == allowed {
						continue
					}
					answer := n.request(t, http.MethodGet, "/hub?id="+n.token(t, nil), header)
					want := string(via) + " transport not supported by this end point type"
					if got := bodyOf(t, answer); answer.StatusCode != http.StatusNotFound || got != want {
						t.Errorf("%s answered %s %q", via, answer.Status, got)
					}
				}
				n.over(t, allowed, nil)
			})
		})
	}
}

func TestRequestsOfAnotherUserReachNoConnection(t *testing.T) {
	for _, via := range []signalr.Transport{signalr.ServerSentEvents, signalr.LongPolling} {
		t.Run(string(via), func(t *testing.T) {
			serve(t, tokenHub, func(t *testing.T, h *signalr.Hub, n *network) {
				id := n.token(t, bearer("jim"))
				header := bearer("jim")
				if via == signalr.ServerSentEvents {
					header = accept(header)
				}
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				answer, err := n.ask(ctx, http.MethodGet, "/hub?id="+id, header, "")
				if err != nil || answer.StatusCode != http.StatusOK {
					t.Fatalf("connect: %v, %v", answer, err)
				}
				defer func() { _ = answer.Body.Close() }()
				for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
					if answer := n.request(t, method, "/hub?id="+id, bearer("anna")); answer.StatusCode != http.StatusNotFound {
						t.Errorf("%s of another user answered %s", method, answer.Status)
					}
					if answer := n.request(t, method, "/hub?id="+id, nil); answer.StatusCode != http.StatusUnauthorized {
						t.Errorf("%s of nobody answered %s", method, answer.Status)
					}
				}
				n.wantRefusal(t, id, "jim", http.StatusBadRequest) // for WebSockets
				if got := h.Connections(); got != 1 {
					t.Errorf("%d connections, want 1", got)
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
