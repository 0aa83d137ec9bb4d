package server_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"parley.internal/pkg/auth"
	"parley.internal/pkg/daemon"
	"parley.internal/pkg/testenv"
	"parley.internal/policy/server"
)

// offerRequest returns a request that calls handled when the service reads its body.
func offerRequest(t *testing.T, tokens *auth.Secret, url string, handled func()) *http.Request {
	t.Helper()
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got100Continue: handled})
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(offerBody()))
	must(t, err)
	token, err := tokens.Issue(jimmy, time.Now(), time.Now().Add(time.Minute))
	must(t, err)
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Expect", "100-continue")
	return request
}

// A stop cancels requests that wait for an unresponsive database before their own
// deadline, and answers them.
func TestStopCancelsRequestsWaitingForDatabase(t *testing.T) {
	database := testenv.StartPostgres(t)
	secret := []byte(strings.Repeat("k", auth.MinSecret))
	tokens, err := auth.NewSecret(secret)
	must(t, err)
	s, err := server.New(t.Context(), server.Config{DatabaseURL: database.URL(), Secret: secret, Events: make(published, 1000)})
	must(t, err)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- daemon.Serve(ctx, listener, s) }()
	offers := "http://" + listener.Addr().String() + "/api/offers"
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}
	defer client.CloseIdleConnections()
	response, err := client.Do(offerRequest(t, tokens, offers, func() {}))
	must(t, err)
	must(t, response.Body.Close())

	database.Freeze()
	handled, answered := make(chan struct{}), make(chan int, 1)
	go func() {
		response, err := client.Do(offerRequest(t, tokens, offers, func() { close(handled) }))
		if err != nil {
			t.Error(err)
			answered <- 0
			return
		}
		answered <- response.StatusCode
		_ = response.Body.Close()
	}()
	<-handled
	since := time.Now()
	stop()
	if err := <-ended; err != nil {
		t.Errorf("the service ended with error %v", err)
	}
	if took := time.Since(since); took > 6*time.Second {
		t.Errorf("the service stopped after %s, want at most 6s", took)
	}
	if status := <-answered; status != http.StatusServiceUnavailable {
		t.Errorf("got status %d, want 503", status)
	}
	database.Thaw()
}
