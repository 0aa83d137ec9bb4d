package web_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley.internal/pkg/web"
)

// pipe is a listener for one unbuffered connection.
type pipe struct {
	conn chan net.Conn
	done chan struct{}
}

func (p pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conn:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p pipe) Close() error   { close(p.done); return nil }
func (p pipe) Addr() net.Addr { return &net.TCPAddr{} }

const get = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"

// serveOne serves one connection with timeouts of 1 s and sends a request on it.
func serveOne(t *testing.T, request string, handler http.HandlerFunc) net.Conn {
	t.Helper()
	p := pipe{conn: make(chan net.Conn, 1), done: make(chan struct{})}
	server := http.Server{Handler: web.LongLived(handler), ReadTimeout: time.Second, WriteTimeout: time.Second}
	client, conn := net.Pipe()
	p.conn <- conn
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(p) })
	t.Cleanup(func() {
		_ = client.Close()
		_ = server.Close()
		serving.Wait()
	})
	if _, err := io.WriteString(client, request); err != nil {
		t.Fatal(err)
	}
	return client
}

func TestLongLivedResponseOutlivesWriteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := serveOne(t, get, func(w http.ResponseWriter, r *http.Request) {
			for _, part := range []string{"one ", "two"} {
				select {
				case <-time.After(time.Hour):
				case <-r.Context().Done():
					t.Error("the request was cancelled")
				}
				_, _ = io.WriteString(w, part)
				if err := http.NewResponseController(w).Flush(); err != nil {
					t.Error(err)
				}
			}
		})
		answer, err := http.ReadResponse(bufio.NewReader(client), nil)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		if err != nil || string(text) != "one two" {
			t.Errorf("got body %q, error %v", text, err)
		}
		_ = answer.Body.Close()
	})
}

func TestWriteFailsIfClientStopsReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		failed := make(chan error, 1)
		serveOne(t, get, func(w http.ResponseWriter, _ *http.Request) {
			<-time.After(time.Hour)
			_, err := io.WriteString(w, strings.Repeat("x", 1<<20))
			failed <- err
		})
		if err := <-failed; err == nil || time.Since(start) != time.Hour+time.Minute {
			t.Errorf("write returned %v after %s, want an error after 1h1m", err, time.Since(start))
		}
	})
}

func TestLongLivedBodyMayBeReadLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const post = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\n"
		client := serveOne(t, post, func(w http.ResponseWriter, r *http.Request) {
			<-time.After(time.Hour)
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Errorf("read body after 1 h: %v", err)
			}
			select {
			case <-time.After(time.Hour):
			case <-r.Context().Done():
				t.Error("the request was cancelled")
			}
			_, _ = w.Write(body)
		})
		if _, err := io.WriteString(client, "hello"); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(client), nil)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		if err != nil || string(text) != "hello" {
			t.Errorf("got body %q, error %v", text, err)
		}
		_ = answer.Body.Close()
	})
}

const unfinished = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhel"

func TestTruncatedRequestGetsAResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		client := serveOne(t, unfinished, http.NotFound)
		answer, err := http.ReadResponse(bufio.NewReader(client), nil)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); answer.StatusCode != http.StatusNotFound || took > time.Second {
			t.Errorf("got status %s after %s, want 404 within 1 s", answer.Status, took)
		}
		_ = answer.Body.Close()
	})
}

func TestReadFailsIfClientStopsSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed := make(chan error, 1)
		start := time.Now()
		serveOne(t, unfinished, func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			failed <- err
		})
		if err := <-failed; err == nil || time.Since(start) != 30*time.Second {
			t.Errorf("read returned %v after %s, want an error after 30 s", err, time.Since(start))
		}
	})
}
