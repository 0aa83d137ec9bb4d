package server

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

const moment = 10 * time.Millisecond

// TestAHubMayTakeItsTime has a service that answers late, and one that answers
// without end: calls are given up, hubs are waited for.
func TestAHubMayTakeItsTime(t *testing.T) {
	released := make(chan struct{})
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept") == "text/event-stream" {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "data: 1\n\n")
			_ = http.NewResponseController(w).Flush()
		}
		select {
		case <-released:
			_, _ = io.WriteString(w, "late")
		case <-r.Context().Done():
		}
	}))
	defer service.Close()
	r, err := newRemote("chat", service.URL)
	if err != nil {
		t.Fatal(err)
	}
	r.prompt.ResponseHeaderTimeout = moment
	defer r.prompt.CloseIdleConnections()
	defer r.late.CloseIdleConnections()
	portal := httptest.NewUnstartedServer(r.Handler())
	portal.Config.ReadTimeout = moment
	portal.Start()
	defer portal.Close()

	polled := make(chan string, 1)
	go func() { polled <- body(t, ask(t, portal.URL+"/hub?id=x", "")) }()
	events := ask(t, portal.URL+"/agentsChat?id=x", "text/event-stream")
	first := make([]byte, len("data: 1\n\n"))
	if _, err := io.ReadFull(events.Body, first); err != nil {
		t.Errorf("the first event: %q, %v", first, err)
	}
	call := ask(t, portal.URL+"/api/streams", "")
	if text := body(t, call); call.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a call is answered with %s %q", call.Status, text)
	}
	close(released)
	if got := <-polled; got != "late" {
		t.Errorf("the poll is answered with %q", got)
	}
	if got := body(t, events); got != "late" {
		t.Errorf("the last event is %q", got)
	}
}

func ask(t *testing.T, url, accept string) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", accept)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		t.Error(err)
		return &http.Response{Body: http.NoBody}
	}
	return answer
}

func body(t *testing.T, answer *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Error(err)
	}
	_ = answer.Body.Close()
	return string(text)
}
