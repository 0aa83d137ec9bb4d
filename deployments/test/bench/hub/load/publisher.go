package load

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Publisher sends marked texts over a connection of its own, and receives them
// on this connection, too.
type Publisher struct {
	client *Client
	conn   *Conn
	by     int
	slots  chan struct{} // one for each text in flight, until its echo is received
	sent   atomic.Uint64
}

// Publishers opens n connections that send, each with at most inFlight texts in
// flight.
func (c *Client) Publishers(ctx context.Context, addr string, p *Protocol, n, inFlight int) ([]*Publisher, error) {
	if n > maxPublishers {
		return nil, fmt.Errorf("%d publishers are more than %d", n, maxPublishers)
	}
	conns, err := c.Receivers(ctx, addr, p, n, false)
	if err != nil {
		return nil, err
	}
	publishers := make([]*Publisher, n)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, conn := range conns {
		publishers[i] = &Publisher{client: c, conn: conn, by: i, slots: make(chan struct{}, inFlight)}
		conn.echo = publishers[i]
	}
	return publishers, nil
}

// free frees a slot. Texts of Pace occupy none.
func (p *Publisher) free() {
	select {
	case <-p.slots:
	default:
	}
}

// Sent returns the number of sent texts.
func (p *Publisher) Sent() uint64 { return p.sent.Load() }

func (p *Publisher) send() error {
	m := mark{by: p.by, seq: p.sent.Add(1) - 1, at: p.client.now()}
	text := make([]byte, 0, len(p.conn.protocol.Before)+TextSize+len(p.conn.protocol.After))
	text = append(text, p.conn.protocol.Before...)
	text = m.text(text)
	return p.conn.write(frame(opText, append(text, p.conn.protocol.After...)))
}

// Flood keeps inFlight texts of each publisher in flight until the time has passed
// or each has sent limit more texts; 0: no limit.
func Flood(ctx context.Context, publishers []*Publisher, within time.Duration, limit uint64) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var group errgroup.Group
	for _, p := range publishers {
		group.Go(func() error {
			for end := p.Sent() + limit; limit == 0 || p.Sent() < end; {
				select {
				case <-ctx.Done():
					return nil
				case p.slots <- struct{}{}:
				}
				if err := p.send(); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// Pace sends perSecond texts a second, by the publishers in turn, until the
// context ends.
func Pace(ctx context.Context, publishers []*Publisher, perSecond int) error {
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := publishers[i%len(publishers)].send(); err != nil {
			return err
		}
	}
}

// PingEvery is the ping interval of the protocols' own clients.
const PingEvery = 15 * time.Second

// Ping sends the protocol's ping on each connection every PingEvery, evenly
// spread, until the context ends.
func (c *Client) Ping(ctx context.Context) error {
	const steps = 1500
	tick := time.NewTicker(PingEvery / steps)
	defer tick.Stop()
	for step := 0; ; step = (step + 1) % steps {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := c.ping(step, steps); err != nil {
			return err
		}
	}
}

func (c *Client) ping(step, steps int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var failed error
	for i := len(c.conns) * step / steps; i < len(c.conns)*(step+1)/steps; i++ {
		if conn := c.conns[i]; !conn.ended && conn.protocol.KeepAlive != "" {
			failed = errors.Join(failed, conn.write(Text(conn.protocol.KeepAlive)))
		}
	}
	return failed
}
