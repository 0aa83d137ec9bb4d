// Package contracttest tests a running service against its contract: Transport
// validates all responses, Explore generates valid and invalid requests.
package contracttest

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"parley.internal/pkg/contract"
)

// Transport sends requests with next and fails the test at a response that
// violates the contract. Responses to unknown operations pass through unread.
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
	response, err := t.next.RoundTrip(r)
	if err != nil || find(t.c, r) == nil {
		return response, err
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if err := response.Body.Close(); err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	if err := CheckResponse(t.c, r, response.StatusCode, response.Header, body); err != nil {
		t.t.Error(err)
	}
	return response, nil
}
