package load

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Delivered is how many texts all connections have got.
func (c *Client) Delivered() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.delivered
}

// Ended is how many connections the server has ended.
func (c *Client) Ended() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// HasEnded says whether the server has ended this one.
func (c *Client) HasEnded(conn *Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return conn.ended
}

// Failure is why reading cannot be trusted any more.
func (c *Client) Failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failure
}

// Heard says whether the connection has got a text that is not among the first
// so many of its publisher.
func (c *Client) Heard(conn *Conn, since []uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for by, sent := range since {
		if conn.next[by] > sent {
			return true
		}
	}
	return false
}

// Complete is an error unless each of these connections has got each text of
// each publisher exactly once, in order, and none has ended. Nil: all.
func (c *Client) Complete(conns []*Conn, publishers []*Publisher) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failure != nil {
		return c.failure
	}
	if c.wrong > 0 {
		return fmt.Errorf("%d texts came twice or after a hole", c.wrong)
	}
	for _, conn := range c.those(conns) {
		for _, p := range publishers {
			if got, sent := conn.next[p.by], p.Sent(); got != sent {
				return fmt.Errorf("connection %d got %d of the %d texts of publisher %d; ended: %t",
					conn.number, got, sent, p.by, conn.ended)
			}
		}
		if conn.ended {
			return fmt.Errorf("connection %d has ended", conn.number)
		}
	}
	return nil
}

// Behind is whether one of these connections, that has not ended, has yet to get
// a text. Nil: all.
func (c *Client) Behind(conns []*Conn, publishers []*Publisher) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.those(conns) {
		for _, p := range publishers {
			if !conn.ended && conn.next[p.by] < p.Sent() {
				return true
			}
		}
	}
	return false
}

func (c *Client) those(conns []*Conn) []*Conn {
	if conns == nil {
		return c.conns
	}
	return conns
}

// Record begins to note latencies, and forgets the old ones.
func (c *Client) Record() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recording, c.latencies = true, c.latencies[:0]
}

// Recorded ends Record and returns the microseconds that each text took from
// before it was written to when it had been read.
func (c *Client) Recorded() []uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recording = false
	return append([]uint32(nil), c.latencies...)
}

// Until looks every few milliseconds whether something is so.
func Until(ctx context.Context, so func() bool) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-ctx.Done():
			return errors.New("it takes too long")
		case <-tick.C:
		}
	}
	return nil
}
