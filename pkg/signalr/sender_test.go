package signalr_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// token negotiates and returns the connection token.
func (n *network) token(t *testing.T, header http.Header) string {
	t.Helper()
	return n.negotiate(t, "?negotiateVersion=1", header).ConnectionToken
}

func accept(header http.Header) http.Header {
	header = header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set("Accept", "text/event-stream")
	return header
}

// sender is a client that sends messages in requests.
func (n *network) sender(t *testing.T, id string, header http.Header) *client {
	t.Helper()
	c := &client{t: t, records: make(chan string, 10_000), pings: make(chan time.Time, 10_000)}
	c.post = func(body string) int {
		t.Helper()
		answer, err := n.ask(t.Context(), http.MethodPost, "/hub?id="+id, header, body)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		return answer.StatusCode
	}
	return c
}

// listen connects over server-sent events.
func (n *network) listen(t *testing.T, header http.Header) *client {
	t.Helper()
	id := n.token(t, header)
	c := n.sender(t, id, header)
	ctx, leave := context.WithCancel(t.Context())
	answer, err := n.ask(ctx, http.MethodGet, "/hub?id="+id, accept(header), "")
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("connect: %v, %v", answer, err)
	}
	c.reading.Go(func() {
		defer close(c.records)
		c.ended = c.events(answer.Body)
	})
	c.hangUp = leave
	t.Cleanup(func() {
		leave()
		c.reading.Wait()
		_ = answer.Body.Close()
	})
	return c
}

func (c *client) events(body io.Reader) error {
	lines := bufio.NewReader(body)
	for {
		event, err := lines.ReadString('\n')
		if err != nil {
			return err
		}
		end, err := lines.ReadString('\n')
		if err != nil {
			return err
		}
		data, is := strings.CutPrefix(event, "data: ")
		switch {
		case end != "\r\n" || !strings.HasSuffix(event, "\r\n"):
			return fmt.Errorf("no event: %q %q", event, end)
		case is:
			c.take(strings.TrimSuffix(data, "\r\n"))
		case event != ":\r\n":
			return fmt.Errorf("neither data nor a comment: %q", event)
		}
	}
}

// poll connects over long polling.
func (n *network) poll(t *testing.T, header http.Header) *client {
	t.Helper()
	id := n.token(t, header)
	c := n.sender(t, id, header)
	if answer := n.request(t, http.MethodGet, "/hub?id="+id, header); answer.StatusCode != http.StatusOK || bodyOf(t, answer) != "" {
		t.Fatalf("first poll: got %s", answer.Status)
	}
	ctx, leave := context.WithCancel(t.Context())
	c.reading.Go(func() {
		defer close(c.records)
		for c.ended == nil {
			c.ended = c.next(ctx, n, id, header)
		}
	})
	c.hangUp = leave
	t.Cleanup(func() {
		leave()
		c.reading.Wait()
	})
	return c
}

// next polls once. io.EOF means that the server ended polling.
func (c *client) next(ctx context.Context, n *network, id string, header http.Header) error {
	answer, err := n.ask(ctx, http.MethodGet, "/hub?id="+id, header, "")
	if err != nil {
		return err
	}
	body, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	switch {
	case err != nil:
		return err
	case answer.StatusCode == http.StatusNoContent:
		return io.EOF
	case answer.StatusCode != http.StatusOK:
		return errors.New(answer.Status)
	case len(body) > 0:
		c.take(string(body))
	}
	return nil
}
