package signalr_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.internal/pkg/signalr"
)

// heard reads as many bytes as want has, and compares them.
func heard(t *testing.T, from io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(from, got); err != nil {
		t.Fatalf("after %q: %v", got, err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Fatalf("bytes (-want +got):\n%s", diff)
	}
}

func TestServerSentEventsByteByByte(t *testing.T) {
	withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
		id := n.token(t, nil)
		c := n.sender(t, id, nil)
		answer, err := n.ask(t.Context(), http.MethodGet, "/hub?id="+id, accept(nil), "")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		for name, want := range map[string]string{
			"Content-Type": "text/event-stream", "Cache-Control": "no-cache, no-store", "X-Accel-Buffering": "no",
		} {
			if got := answer.Header.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		heard(t, answer.Body, ":\r\n\r\n")
		c.send(hello)
		heard(t, answer.Body, "data: {}"+sep+"\r\n\r\n")
		pass(15 * time.Second)
		heard(t, answer.Body, `data: {"type":6}`+sep+"\r\n\r\n")
		(<-d.conns).Close("enough", false)
		heard(t, answer.Body, `data: {"type":7,"error":"enough"}`+sep+"\r\n\r\n")
		if rest, err := io.ReadAll(answer.Body); err != nil || len(rest) != 0 {
			t.Errorf("got %q, error %v, want the end of the response", rest, err)
		}
		d.wantEnd(t, true)
	})
}

func TestEndedEventRequestCountsAsLeaving(t *testing.T) {
	withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
		c := n.over(t, signalr.ServerSentEvents, nil)
		c.send(`{"type":1,"target":"Note","arguments":["bye"]}` + sep)
		c.hangUp()
		if got := <-d.calls; got != "bye" {
			t.Errorf("ran %q", got)
		}
		d.wantEnd(t, true)
	})
}

func TestTokenOfAnEventStreamIsUsedOnce(t *testing.T) {
	withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
		id := n.token(t, nil)
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		answer, err := n.ask(ctx, http.MethodGet, "/hub?id="+id, accept(nil), "")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		for name, tt := range map[string]struct {
			method string
			header http.Header
			status int
			body   string
		}{
			"again":           {http.MethodGet, accept(nil), http.StatusConflict, "Connection already active"},
			"by polling":      {http.MethodGet, nil, http.StatusBadRequest, "Cannot change transports mid-connection"},
			"ended by DELETE": {http.MethodDelete, nil, http.StatusBadRequest, "Cannot terminate this connection using the DELETE endpoint."},
		} {
			other := n.request(t, tt.method, "/hub?id="+id, tt.header)
			if body := bodyOf(t, other); other.StatusCode != tt.status || body != tt.body {
				t.Errorf("%s: got %s %q", name, other.Status, body)
			}
		}
	})
}

func TestSlowEventStreamIsToldToReconnect(t *testing.T) {
	withRecorder(t, signalr.Options{Backlog: 1000}, func(t *testing.T, d *recorder, n *network) {
		id := n.token(t, nil)
		answer, err := n.ask(t.Context(), http.MethodGet, "/hub?id="+id, accept(nil), "")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		n.sender(t, id, nil).send(hello)
		heard(t, answer.Body, ":\r\n\r\ndata: {}"+sep+"\r\n\r\n")
		conn := <-d.conns
		synctest.Wait() // no more bytes wait
		for range 100 {
			if err := conn.Send("Number", strings.Repeat("x", 10_000)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		rest, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		const reason = `data: {"type":7,"error":"The client reads too slowly.","allowReconnect":true}` + sep + "\r\n\r\n"
		if got := string(rest); !strings.HasSuffix(got, reason) || strings.Count(got, "Number") == 0 || strings.Count(got, "Number") > 10 {
			t.Errorf("the client was sent %d messages, the last of them %q", strings.Count(got, "Number"), got[max(0, len(got)-200):])
		}
		d.wantEnd(t, false)
	})
}

// TestServerSentEventsOverHTTP2 uses a real network: a single HTTP/2 connection carries the events and
// the client's messages.
func TestServerSentEventsOverHTTP2(t *testing.T) {
	d := newRecorder(signalr.Options{})
	server := httptest.NewUnstartedServer(d)
	server.EnableHTTP2 = true
	server.Config.WriteTimeout = 100 * time.Millisecond
	server.Config.ReadTimeout = 100 * time.Millisecond
	server.StartTLS()
	defer server.Close()
	browser := server.Client()
	request := func(method, path, body string) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if method == http.MethodGet {
			r.Header = accept(nil)
		}
		answer, err := browser.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode != http.StatusOK || answer.ProtoMajor != 2 {
			t.Fatalf("%s: got %s over %s, want HTTP/2", method, answer.Status, answer.Proto)
		}
		return answer
	}
	negotiated := request(http.MethodPost, "/hub/negotiate", "")
	_, id, _ := strings.Cut(bodyOf(t, negotiated), `"connectionId":"`)
	id, _, _ = strings.Cut(id, `"`)
	_ = negotiated.Body.Close()

	events := request(http.MethodGet, "/hub?id="+id, "")
	defer func() { _ = events.Body.Close() }()
	heard(t, events.Body, ":\r\n\r\n")
	_ = request(http.MethodPost, "/hub?id="+id, hello).Body.Close()
	heard(t, events.Body, "data: {}"+sep+"\r\n\r\n")
	late := time.NewTimer(300 * time.Millisecond) // later than the server's timeouts
	<-late.C
	conn := <-d.conns
	if err := conn.Send("Hello"); err != nil {
		t.Fatal(err)
	}
	heard(t, events.Body, `data: {"type":1,"target":"Hello","arguments":[]}`+sep+"\r\n\r\n")
	conn.Close("", false)
	heard(t, events.Body, `data: {"type":7}`+sep+"\r\n\r\n")
	if rest, err := io.ReadAll(events.Body); err != nil || len(rest) != 0 {
		t.Errorf("got %q, error %v, want the end", rest, err)
	}
	if err := d.Wait(soon(t)); err != nil {
		t.Error(err)
	}
}

func TestGetWithABodyIsRejected(t *testing.T) {
	withRecorder(t, signalr.Options{}, func(t *testing.T, d *recorder, n *network) {
		for _, header := range []http.Header{nil, accept(nil)} {
			answer, err := n.ask(t.Context(), http.MethodGet, "/hub?id="+n.token(t, nil), header, "more")
			if err != nil {
				t.Fatal(err)
			}
			if text := bodyOf(t, answer); answer.StatusCode != http.StatusBadRequest || d.Connections() != 0 {
				t.Errorf("got %s, %q and %d connections", answer.Status, text, d.Connections())
			}
			_ = answer.Body.Close()
		}
	})
}
