package rabbit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"parley.internal/pkg/retry"
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
	status

	brokers  []broker
	topology topology
	prefetch int
	log      *slog.Logger
}

// keepConnected holds a connection to any of the brokers until ctx ends: use runs with each new
// session, and a reconnect follows when use returns. The library's own recovery is not used: with
// it, a late acknowledgement of the old connection acknowledges another message on the new
// connection.
func (c *client) keepConnected(ctx context.Context, name string, use func(context.Context, *session) error) error {
	c.report(name, problemDown, "not connected yet")
	defer c.remove(name)
	b := backoff{brokers: c.brokers, unresponsive: make([]bool, len(c.brokers))}
	logged := ""
	for {
		begun := time.Now()
		broker := c.brokers[b.next]
		responded, err := c.connect(ctx, name, broker, use)
		if ctx.Err() != nil {
			return nil
		}
		c.report(name, problemBlocked, "")
		c.report(name, problemDown, err.Error())
		log := c.log.With("connection", name, "broker", broker.address(), "error", err)
		if errors.Is(err, errTopology) {
			if err.Error() != logged {
				log.ErrorContext(ctx, "broker topology mismatch", "retry", topologyRetry)
			}
			logged = err.Error()
			retry.Wait(ctx, topologyRetry)
			continue
		}
		logged = ""
		log.WarnContext(ctx, "broker connection lost")
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
	err = w.cause(use(ctx, &session{socket: w, conn: conn, detach: detach}))
	w.closeAfter(closeTimeout)
	_ = conn.CloseDeadline(time.Now().Add(closeTimeout)) // It may be closed already.
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
	c.report(name, problemDown, "")
	c.log.InfoContext(ctx, "broker connected", "connection", name, "broker", s.conn.RemoteAddr().String())
}

// session is one connection, from dialling to closing.
type session struct {
	*socket

	conn   *amqp.Connection
	detach func() bool // lets a stop finish the present batch, instead of closing the socket
}

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
	if err := ch.Close(); err != nil {
		return fmt.Errorf("close channel: %w", err)
	}
	return nil
}

// declare declares a part on a channel of its own.
func (s *session) declare(p part, passive bool) (q amqp.Queue, err error) {
	err = s.onChannel(func(ch *amqp.Channel) (err error) {
		q, err = p.declare(ch, passive)
		return err
	})
	return q, err
}
