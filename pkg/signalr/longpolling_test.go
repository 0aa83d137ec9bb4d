package signalr_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.internal/pkg/signalr"
)

// polled is a client that has connected over long polling, and polls only on demand.
type polled struct {
	*client

	n    *network
	id   string
	conn *signalr.Conn
}

func (n *network) polled(t *testing.T, d *recorder) *polled {
	t.Helper()
	id := n.token(t, nil)
	p := &polled{client: n.sender(t, id, nil), n: n, id: id}
	p.wantPoll(http.StatusOK, "")
	p.send(hello)
	p.wantPoll(http.StatusOK, `{}`+sep)
	p.conn = <-d.conns
	return p
}

func (p *polled) wantPoll(status int, body string) {
	p.t.Helper()
	answer := p.n.request(p.t, http.MethodGet, "/hub?id="+p.id, nil)
	if answer.StatusCode != status {
		p.t.Errorf("poll: got %s, want %d", answer.Status, status)
	}
	if diff := cmp.Diff(body, bodyOf(p.t, answer)); diff != "" {
		p.t.Errorf("answer (-want +got):\n%s", diff)
	}
	if got := answer.Header.Get("Cache-Control"); status < 300 && got != "no-cache, no-store" {
		p.t.Errorf("got Cache-Control %q", got)
	}
}

// recordOf is the record of a call without arguments.
func recordOf(target string) string {
	return `{"type":1,"target":"` + target + `","arguments":[]}` + sep
}

func (p *polled) call(targets ...string) {
	p.t.Helper()
	for _, target := range targets {
		if err := p.conn.Send(target); err != nil {
			p.t.Fatal(err)
		}
	}
	synctest.Wait()
}

func TestPollReturnsAllWaitingMessages(t *testing.T) {
	withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
		p := n.polled(t, d)
		p.call("First")
		p.call("Second", "Third") // while the first message waits for a poll
		p.wantPoll(http.StatusOK, recordOf("First"))
		p.wantPoll(http.StatusOK, recordOf("Second")+recordOf("Third"))
	})
}

func TestPollWaitsForAMessage(t *testing.T) {
	withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
		p := n.polled(t, d)
		p.reading.Go(func() { p.wantPoll(http.StatusOK, recordOf("Late")) })
		start := time.Now()
		pass(80 * time.Second)
		p.call("Late")
		p.reading.Wait()
		if got := time.Since(start); got != 80*time.Second {
			t.Errorf("answered after %s", got)
		}
	})
}

func TestPollTimesOutWithoutMessages(t *testing.T) {
	for name, tt := range map[string]struct{ option, want time.Duration }{
		"by default": {0, 90 * time.Second}, "shorter": {40 * time.Second, 40 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			withRecorder(t, signalr.Options{PollTimeout: tt.option}, func(t *testing.T, d *recorder, n *network) {
				p := n.polled(t, d)
				start := time.Now()
				p.wantPoll(http.StatusOK, "")
				if got := time.Since(start); got != tt.want {
					t.Errorf("answered after %s, want %s", got, tt.want)
				}
			})
		})
	}
}

func TestNewPollReplacesTheWaitingPoll(t *testing.T) {
	withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
		p := n.polled(t, d)
		p.reading.Go(func() { p.wantPoll(http.StatusNoContent, "") })
		synctest.Wait()
		p.pollsNext(recordOf("Hello"))
		synctest.Wait()
		p.call("Hello")
		p.reading.Wait()
	})
}

func (p *polled) pollsNext(want string) { p.reading.Go(func() { p.wantPoll(http.StatusOK, want) }) }

func TestMessageSurvivesAnAbandonedPoll(t *testing.T) {
	withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
		p := n.polled(t, d)
		ctx, abandon := context.WithCancel(t.Context())
		p.reading.Go(func() {
			if answer, err := n.ask(ctx, http.MethodGet, "/hub?id="+p.id, nil, ""); err == nil {
				t.Errorf("an abandoned poll got %s", answer.Status)
				_ = answer.Body.Close()
			}
		})
		synctest.Wait()
		abandon()
		p.reading.Wait()
		synctest.Wait()
		p.call("Hello")
		pass(14 * time.Second)
		p.wantPoll(http.StatusOK, recordOf("Hello"))
	})
}

func TestClientThatStopsPollingIsBroken(t *testing.T) {
	for name, waiting := range map[string]bool{"while nothing waits": false, "while something waits": true} {
		t.Run(name, func(t *testing.T) {
			withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
				p := n.polled(t, d)
				if waiting {
					p.call("Hello")
				}
				start := time.Now()
				d.wantEnd(t, false)
				if got := time.Since(start); got != 15*time.Second {
					t.Errorf("disconnected after %s, want 15s", got)
				}
				p.wantPoll(http.StatusNotFound, "No Connection with that ID")
			})
		})
	}
}

func TestDeleteEndsLongPolling(t *testing.T) {
	for name, polls := range map[string]bool{"between polls": false, "while it polls": true} {
		t.Run(name, func(t *testing.T) {
			withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
				p := n.polled(t, d)
				start := time.Now()
				p.send(`{"type":1,"target":"Note","arguments":["bye"]}` + sep)
				if polls {
					p.reading.Go(func() { p.wantPoll(http.StatusNoContent, "") })
					synctest.Wait()
				}
				if answer := n.request(t, http.MethodDelete, "/hub?id="+p.id, nil); answer.StatusCode != http.StatusAccepted {
					t.Errorf("DELETE: got %s", answer.Status)
				}
				if got := time.Since(start); got != 0 {
					t.Errorf("it took %s", got)
				}
				if got := <-d.calls; got != "bye" {
					t.Errorf("ran %q", got)
				}
				d.wantEnd(t, true)
				for _, method := range []string{http.MethodDelete, http.MethodGet, http.MethodPost} {
					if answer := n.request(t, method, "/hub?id="+p.id, nil); answer.StatusCode != http.StatusNotFound {
						t.Errorf("%s after the end: got %s", method, answer.Status)
					}
				}
				p.reading.Wait()
			})
		})
	}
}

func TestCloseDoesNotWaitForAMissingPoll(t *testing.T) {
	withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
		p := n.polled(t, d)
		start := time.Now()
		p.conn.Close("", false)
		p.wantPoll(http.StatusOK, `{"type":7}`+sep)
		d.wantEnd(t, true)
		if got := time.Since(start); got != 3*time.Second {
			t.Errorf("it took %s", got)
		}
	})
}

func TestDrainDoesNotWaitForAMissingPoll(t *testing.T) {
	withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
		p := n.polled(t, d)
		p.call("Hello")
		start := time.Now()
		d.Drain(t.Context(), 0)
		d.wantEnd(t, true)
		if got := time.Since(start); got != 3*time.Second {
			t.Errorf("it took %s", got)
		}
	})
}

func TestSlowPollerIsToldToReconnect(t *testing.T) {
	withRecorder(t, signalr.Options{Backlog: 1000}, func(t *testing.T, d *recorder, n *network) {
		p := n.polled(t, d)
		for range 100 {
			p.call("Number")
		}
		p.wantPoll(http.StatusOK, recordOf("Number"))
		p.wantPoll(http.StatusOK, `{"type":7,"error":"The client reads too slowly.","allowReconnect":true}`+sep)
		p.wantPoll(http.StatusNoContent, "")
		d.wantEnd(t, false)
	})
}

// TestTruncatedRequestClosesTheConnection ends a request in the middle of a message.
func TestTruncatedRequestClosesTheConnection(t *testing.T) {
	for name, tt := range map[string]struct {
		body  string
		ended bool
	}{
		"in the middle":         {`{"type":6`, true},
		"before the first byte": {"", false},
		"between two messages":  {ping, true}, // The rest may have been the second.
		"from a slow client":    {strings.Repeat(ping, 100), true},
	} {
		t.Run(name, func(t *testing.T) {
			withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
				p := n.polled(t, d)
				conn, err := n.dial(t.Context(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = conn.Close() }()
				head := "POST /hub?id=" + p.id + " HTTP/1.1\r\nHost: hub.test\r\nContent-Length: 5000\r\n\r\n"
				if _, err := io.WriteString(conn, head+tt.body); err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				if status := statusOf(t, conn); status != http.StatusBadRequest {
					t.Errorf("got status %d", status)
				}
				if got := time.Since(start); got != 10*time.Second {
					t.Errorf("the request timed out after %s, want 10s", got)
				}
				if tt.ended {
					d.wantEnd(t, false)
					return
				}
				p.send(`{"type":1,"target":"Note","arguments":["x"]}` + sep)
				p.reading.Go(func() { p.wantPoll(http.StatusOK, recordOf("Hello")) })
				synctest.Wait()
				p.call("Hello")
				p.reading.Wait()
			})
		})
	}
}

func statusOf(t *testing.T, conn net.Conn) int {
	t.Helper()
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}
