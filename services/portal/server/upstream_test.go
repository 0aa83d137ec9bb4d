package server

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

const shortTimeout = 200 * time.Millisecond // enough to send a request on a busy machine

// TestOnlyHubsOutliveTimeouts proxies a late response and an endless one: calls
// time out, hub requests do not.
func TestOnlyHubsOutliveTimeouts(t *testing.T) {
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
	u, err := newUpstream("chat", service.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.calls.ResponseHeaderTimeout = shortTimeout
	defer u.calls.CloseIdleConnections()
	defer u.streams.CloseIdleConnections()
	portal := httptest.NewUnstartedServer(u.Handler())
	portal.Config.ReadTimeout = shortTimeout
	portal.Start()
	defer portal.Close()

	polled := make(chan string, 1)
	go func() { polled <- body(t, get(t, portal.URL+"/hub?id=x", "")) }()
	events := get(t, portal.URL+"/agentsChat?id=x", "text/event-stream")
	first := make([]byte, len("data: 1\n\n"))
	if _, err := io.ReadFull(events.Body, first); err != nil {
		t.Errorf("first event: got %q, error %v", first, err)
	}
	call := get(t, portal.URL+"/api/streams", "")
	if text := body(t, call); call.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("call: got %s %q, want 503", call.Status, text)
	}
	close(released)
	if got := <-polled; got != "late" {
		t.Errorf("long poll: got %q, want late", got)
	}
	if got := body(t, events); got != "late" {
		t.Errorf("last event: got %q, want late", got)
	}
}

func get(t *testing.T, url, accept string) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", accept)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	if err != nil {
		t.Error(err)
		return &http.Response{Body: http.NoBody}
	}
	return response
}

func body(t *testing.T, response *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	_ = response.Body.Close()
	return string(text)
}
