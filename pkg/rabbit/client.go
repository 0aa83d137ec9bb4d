package rabbit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Every wait for the broker has a deadline.
const (
	dialTimeout      = 5 * time.Second  // TCP
	setupTimeout     = 10 * time.Second // TCP, TLS and AMQP handshakes, and the declarations
	closeTimeout     = time.Second
	heartbeat        = 5 * time.Second
	quorumSettleTime = time.Second
	topologyRetry    = 5 * time.Second  // an operator may have corrected the topology
	stableAfter      = 10 * time.Second // the backoff restarts after a connection of this duration
)

// client connects to the brokers of a Config on behalf of a Publisher, a Consumer or a Listener.
type client struct {
	brokers  []broker
	topology topology
	prefetch int
	status   status
	log      *slog.Logger
}

// keepConnected holds a connection to any of the brokers until ctx ends: use runs with each new
// session, and a reconnect follows when use returns. The library's own recovery is not used: with
// it, a late acknowledgement of the old connection acknowledges another message on the new
// connection.
func (c *client) keepConnected(ctx context.Context, name string, use func(context.Context, *session) error) error {
	c.status.down(name, "not connected yet")
	defer c.status.remove(name)
	b := backoff{brokers: c.brokers, unresponsive: make([]bool, len(c.brokers))}
	logged := ""
	for {
		begun := time.Now()
		broker := c.brokers[b.next]
		responded, err := c.connect(ctx, name, broker, use)
		if ctx.Err() != nil {
			return nil
		}
		c.status.down(name, err.Error())
		if errors.Is(err, errTopology) {
			if err.Error() != logged {
				logged = err.Error()
				c.log.ErrorContext(ctx, "broker topology mismatch", "connection", name, "broker", broker.address(),
					"error", err, "retry", topologyRetry)
			}
			pause(ctx, topologyRetry)
			continue
		}
		logged = ""
		c.log.WarnContext(ctx, "broker connection lost", "connection", name, "broker", broker.address(), "error", err)
		if time.Since(begun) > stableAfter {
			b.reset()
		}
		b.wait(ctx, responded)
	}
}

// connect runs use on a new connection, and reports whether the broker responded at all.
func (c *client) connect(
	ctx context.Context, name string, b broker, use func(context.Context, *session) error,
) (responded bool, err error) {
	w := &socket{}
	defer w.closeAfter(0)
	// A stop does not wait for an unresponsive broker.
	detach := context.AfterFunc(ctx, w.abort)
	defer detach()
	w.closeAfter(setupTimeout)
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName("parley " + name)
	conn, err := amqp.DialConfig(b.url, amqp.Config{Heartbeat: heartbeat, Properties: properties, Dial: w.dial(ctx)})
	if err != nil {
		return w.responded.Load(), fmt.Errorf("connect: %w", w.cause(err))
	}
	err = w.cause(use(ctx, &session{conn: conn, socket: w, detach: detach}))
	w.closeAfter(closeTimeout)
	if closeErr := conn.CloseDeadline(time.Now().Add(closeTimeout)); closeErr != nil &&
		!errors.Is(closeErr, amqp.ErrClosed) && err == nil {
		err = fmt.Errorf("close connection: %w", closeErr)
	}
	return true, err
}

// connectOnce runs use on a connection to the first broker that responds.
func (c *client) connectOnce(ctx context.Context, name string, use func(context.Context, *session) error) error {
	var errs []error
	for _, b := range c.brokers {
		responded, err := c.connect(ctx, name, b, use)
		if err == nil || responded {
			return err
		}
		errs = append(errs, fmt.Errorf("broker %s: %w", b.address(), err))
	}
	return errors.Join(errs...)
}

// established marks a connection as up, after the declarations.
func (c *client) established(ctx context.Context, name string, s *session) {
	s.closeAfter(0)
	s.detach()
	c.status.up(name)
	c.log.InfoContext(ctx, "broker connected", "connection", name, "broker", s.conn.RemoteAddr().String())
}

// session is one connection, from dialling to closing.
type session struct {
	conn   *amqp.Connection
	socket *socket
	detach func() bool // lets a stop finish the present batch, instead of closing the socket
}

// closeAfter closes the connection after d, unless called again before: the library's own calls
// wait without a deadline. 0 removes the deadline.
func (s *session) closeAfter(d time.Duration) { s.socket.closeAfter(d) }

func (s *session) openChannel() (*amqp.Channel, error) {
	ch, err := s.conn.Channel()
	if err != nil {
		return nil, fmt.Errorf("open channel: %w", err)
	}
	return ch, nil
}

// onChannel runs do on a channel of its own: an error reply of the broker closes the channel.
func (s *session) onChannel(do func(*amqp.Channel) error) error {
	ch, err := s.openChannel()
	if err != nil {
		return err
	}
	if err := do(ch); err != nil {
		return err
	}
	return closeChannel(ch)
}

func closeChannel(ch *amqp.Channel) error {
	if err := ch.Close(); err != nil {
		return fmt.Errorf("close channel: %w", err)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// jitter returns a random duration between d/2 and d: many processes must not retry at once.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d/2+1) //nolint:gosec // Jitter is not a secret.
}
