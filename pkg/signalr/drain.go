package signalr

import (
	"context"
	"time"
)

// Drain lets no connection in any more, answering with 503, and ends those that
// are open, telling their clients to reconnect: one after the other, spread
// evenly over the given time, so that the node that takes them over is not run
// down. Methods that run may finish within WriteTimeout. When ctx is done the
// rest is ended at once. Drain does not wait for the connections to be gone:
// Wait does. It cannot be undone.
func (h *Hub) Drain(ctx context.Context, over time.Duration) {
	conns := h.door.close()
	start := time.Now()
	for i, c := range conns {
		pause(ctx, time.Until(start.Add(over*time.Duration(i)/time.Duration(len(conns)))))
		c.retire(reason{allowReconnect: true})
	}
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 || ctx.Err() != nil {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Wait returns when every goroutine of every connection has ended, or with an
// error when ctx is done first. http.Server.Shutdown knows nothing of upgraded
// connections: after Drain, this is what makes a stop clean.
func (h *Hub) Wait(ctx context.Context) error {
	if err := h.door.wait(ctx); err != nil {
		return err
	}
	h.fanout.rest()
	return nil
}
