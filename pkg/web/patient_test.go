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

// pipe is a listener for one connection, which holds nothing that is not read.
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

// impatient serves one connection with timeouts of a second.
func impatient(t *testing.T, request string, handler http.HandlerFunc) net.Conn {
	t.Helper()
	p := pipe{conn: make(chan net.Conn, 1), done: make(chan struct{})}
	server := http.Server{Handler: web.Patient(handler), ReadTimeout: time.Second, WriteTimeout: time.Second}
	here, there := net.Pipe()
	p.conn <- there
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(p) })
	t.Cleanup(func() {
		_ = here.Close()
		_ = server.Close()
		serving.Wait()
	})
	if _, err := io.WriteString(here, request); err != nil {
		t.Fatal(err)
	}
	return here
}

func TestAnAnswerMayTakeItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := impatient(t, get, func(w http.ResponseWriter, r *http.Request) {
			for _, part := range []string{"one ", "two"} {
				select {
				case <-time.After(time.Hour):
				case <-r.Context().Done():
					t.Error("the request was given up")
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
			t.Errorf("got %q, %v", text, err)
		}
		_ = answer.Body.Close()
	})
}

func TestAClientThatDoesNotReadItsAnswerIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		failed := make(chan error, 1)
		impatient(t, get, func(w http.ResponseWriter, _ *http.Request) {
			<-time.After(time.Hour)
			_, err := io.WriteString(w, strings.Repeat("x", 1<<20))
			failed <- err
		})
		if err := <-failed; err == nil || time.Since(start) != time.Hour+time.Minute {
			t.Errorf("after %s: %v, want an error a minute after it was written", time.Since(start), err)
		}
	})
}

func TestARequestMayWaitForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const post = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\n"
		client := impatient(t, post, func(w http.ResponseWriter, r *http.Request) {
			<-time.After(time.Hour)
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Errorf("an hour later, of the body: %v", err)
			}
			select {
			case <-time.After(time.Hour):
			case <-r.Context().Done():
				t.Error("the request was given up")
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
			t.Errorf("got %q, %v", text, err)
		}
		_ = answer.Body.Close()
	})
}

const unfinished = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhel"

func TestAnUnfinishedRequestIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		client := impatient(t, unfinished, http.NotFound)
		answer, err := http.ReadResponse(bufio.NewReader(client), nil)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); answer.StatusCode != http.StatusNotFound || took > time.Second {
			t.Errorf("got %s after %s", answer.Status, took)
		}
		_ = answer.Body.Close()
	})
}

func TestAClientThatDoesNotSendItsBodyIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed := make(chan error, 1)
		start := time.Now()
		impatient(t, unfinished, func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			failed <- err
		})
		if err := <-failed; err == nil || time.Since(start) != 30*time.Second {
			t.Errorf("after %s: %v, want an error after half a minute", time.Since(start), err)
		}
	})
}
