package web

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// LongLived exempts next from the server's total read and write timeouts: for
// server-sent events, long polls, and bodies read late. Instead, each write to
// the client has the server's write timeout, and each read of the body its read
// timeout. Requests for an upgrade pass unchanged.
func LongLived(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			next.ServeHTTP(w, r)
			return
		}
		l := longLived{w, http.NewResponseController(w)}
		if r.Body == http.NoBody {
			_ = l.control.SetReadDeadline(time.Time{}) // An error means a ResponseWriter without deadlines.
		} else {
			r.Body = lateBody{r.Body, l.control}
		}
		l.extend()
		next.ServeHTTP(l, r)
		l.extend()
	})
}

type longLived struct {
	http.ResponseWriter

	control *http.ResponseController
}

func (l longLived) extend() { _ = l.control.SetWriteDeadline(time.Now().Add(writeTimeout)) }

func (l longLived) Write(b []byte) (int, error) {
	l.extend()
	return l.ResponseWriter.Write(b)
}

// FlushError supports http.ResponseController.
func (l longLived) FlushError() error {
	l.extend()
	return l.control.Flush()
}

// Unwrap supports http.ResponseController.
func (l longLived) Unwrap() http.ResponseWriter { return l.ResponseWriter }

// lateBody is a request body with a read deadline per read. If the handler stops
// before the end, the last deadline stays: net/http reads the rest of the body
// before it responds.
type lateBody struct {
	io.ReadCloser

	control *http.ResponseController
}

func (b lateBody) Read(p []byte) (int, error) {
	_ = b.control.SetReadDeadline(time.Now().Add(readTimeout))
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}
