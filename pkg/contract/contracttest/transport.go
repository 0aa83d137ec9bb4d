// Package contracttest holds a running service to its contract, in tests: all
// its answers are checked, and requests are made up, good ones and bad ones.
package contracttest

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"parley.internal/pkg/contract"
)

// Transport sends with next and fails the test when an answer does not fit.
// Answers to what the contract does not know pass through unread.
func Transport(t testing.TB, c *contract.Contract, next http.RoundTripper) http.RoundTripper {
	t.Helper()
	return transport{t, c, next}
}

type transport struct {
	t    testing.TB
	c    *contract.Contract
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := t.next.RoundTrip(r)
	if err != nil || t.c.Find(r) == nil {
		return answer, err
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if err := answer.Body.Close(); err != nil {
		return nil, err
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	if err := t.c.CheckAnswer(r, answer.StatusCode, answer.Header, body); err != nil {
		t.t.Error(err)
	}
	return answer, nil
}
