package web

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// Patient lets next take its time, with an answer without end, one that waits for
// something to happen, or a body that is not read before it is its turn: the
// server's timeouts do not end them. But each part of an answer has the server's
// time to be taken by the client, and each part of a body to come once it is read.
func Patient(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			next.ServeHTTP(w, r)
			return
		}
		p := patient{w, http.NewResponseController(w)}
		if r.Body == http.NoBody {
			_ = p.control.SetReadDeadline(time.Time{}) // A server without deadlines sets none either.
		} else {
			r.Body = body{r.Body, p.control}
		}
		p.extend()
		next.ServeHTTP(p, r)
		p.extend()
	})
}

type patient struct {
	http.ResponseWriter

	control *http.ResponseController
}

func (p patient) extend() { _ = p.control.SetWriteDeadline(time.Now().Add(writeTimeout)) }

func (p patient) Write(b []byte) (int, error) {
	p.extend()
	return p.ResponseWriter.Write(b) //nolint:wrapcheck // It only looks on.
}

// FlushError is for http.ResponseController.
func (p patient) FlushError() error {
	p.extend()
	return p.control.Flush() //nolint:wrapcheck // It only looks on.
}

// Unwrap is for http.ResponseController.
func (p patient) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// body is one whose reader may take its time. One that is not read to its end keeps
// the last deadline, for the server reads on before it answers.
type body struct {
	io.ReadCloser

	control *http.ResponseController
}

func (b body) Read(p []byte) (int, error) {
	_ = b.control.SetReadDeadline(time.Now().Add(readTimeout))
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err //nolint:wrapcheck // It only looks on.
}
