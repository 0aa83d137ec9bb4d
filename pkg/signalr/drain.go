package signalr

import (
	"context"
	"time"
)

// Drain answers new connections with 503, and closes the open connections, telling their clients to
// reconnect: in sequence, spread evenly over the given time to spare the node that takes the clients
// over. Running methods may finish within WriteTimeout. When ctx is done the remaining
// connections are closed at once. Drain does not wait for the connections to end: Wait does. Drain
// cannot be undone.
func (h *Hub) Drain(ctx context.Context, over time.Duration) {
	conns := h.connections.drain()
	start := time.Now()
	for i, c := range conns {
		select {
		case <-time.After(time.Until(start.Add(over * time.Duration(i) / time.Duration(len(conns))))):
		case <-ctx.Done():
		}
		c.close(closeReason{allowReconnect: true, graceful: true})
	}
}

// Wait waits until every goroutine of every connection has ended, or returns an error when ctx is done
// first. http.Server.Shutdown ignores upgraded connections: a clean stop is Drain and then Wait.
func (h *Hub) Wait(ctx context.Context) error {
	if err := h.connections.wait(ctx); err != nil {
		return err
	}
	h.fanout.Wait()
	return nil
}
