package web

import (
	"net/http"
	"time"
)

// Patient lets the answers of next take their time, such as an answer without
// end or one that waits for something to happen: the server's timeouts do not end
// them. But each part of one has the server's time to be taken by the client.
// Other requests than GET have no time of their own.
func Patient(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.Header.Get("Upgrade") != "" {
			next.ServeHTTP(w, r)
			return
		}
		p := patient{w, http.NewResponseController(w)}
		_ = p.control.SetReadDeadline(time.Time{}) // A server without deadlines sets none either.
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
