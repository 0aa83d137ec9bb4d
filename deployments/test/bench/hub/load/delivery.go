package load

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Delivered returns the number of texts that all connections have received.
func (c *Client) Delivered() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.delivered
}

// Ended returns the number of connections that the server has closed.
func (c *Client) Ended() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// HasEnded reports whether the server has closed the connection.
func (c *Client) HasEnded(conn *Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return conn.ended
}

// Failure returns the errors of reading. After an error no count is valid.
func (c *Client) Failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failure
}

// Received reports whether the connection has received a text beyond the first
// since[i] texts of publisher i.
func (c *Client) Received(conn *Conn, since []uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for by, sent := range since {
		if conn.next[by] > sent {
			return true
		}
	}
	return false
}

// Complete returns an error unless each connection has received each text of
// each publisher once and in order, and is open. Nil means all connections.
func (c *Client) Complete(conns []*Conn, publishers []*Publisher) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failure != nil {
		return c.failure
	}
	if c.wrong > 0 {
		return fmt.Errorf("%d texts were duplicated or followed a gap", c.wrong)
	}
	for _, conn := range c.orAll(conns) {
		for _, p := range publishers {
			if got, sent := conn.next[p.by], p.Sent(); got != sent {
				return fmt.Errorf("connection %d received %d of %d texts of publisher %d; ended: %t",
					conn.number, got, sent, p.by, conn.ended)
			}
		}
		if conn.ended {
			return fmt.Errorf("connection %d has ended", conn.number)
		}
	}
	return nil
}

// Lagging reports whether one of the open connections has not received all texts.
// Nil means all connections.
func (c *Client) Lagging(conns []*Conn, publishers []*Publisher) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.orAll(conns) {
		for _, p := range publishers {
			if !conn.ended && conn.next[p.by] < p.Sent() {
				return true
			}
		}
	}
	return false
}

func (c *Client) orAll(conns []*Conn) []*Conn {
	if conns == nil {
		return c.conns
	}
	return conns
}

// Record starts recording latencies, and drops earlier ones.
func (c *Client) Record() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recording, c.latencies = true, c.latencies[:0]
}

// Recorded stops recording and returns the latency of each text in microseconds,
// from before its write to after its read.
func (c *Client) Recorded() []uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recording = false
	return append([]uint32(nil), c.latencies...)
}

// Until waits for a condition, which it checks every two milliseconds.
func Until(ctx context.Context, holds func() bool) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			return errors.New("timeout")
		case <-tick.C:
		}
	}
	return nil
}
