package rabbit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// errTopology says that what is on the broker is not what was to be declared:
// no retry will mend it.
var errTopology = errors.New("the broker holds another topology")

// keep holds a connection to one of the brokers until ctx ends: it calls use
// with each new one, and begins anew when use returns. It never uses the
// library's own recovery, under which a late acknowledgement of the old
// connection settles another message of the new one.
func (t *Transport) keep(ctx context.Context, name string, use func(context.Context, *amqp.Connection) error) error {
	defer t.trouble(name, "")
	retry := time.Duration(0) // The first retry comes at once.
	for n := 0; ; n++ {
		i := n % len(t.cfg.URLs)
		begun := time.Now()
		err := t.connect(ctx, name, t.cfg.URLs[i], use)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, errTopology) {
			return err
		}
		t.trouble(name, lostConnection+err.Error())
		if time.Since(begun) > steadyAfter {
			retry = 0
		}
		t.cfg.Log.WarnContext(ctx, "broker connection lost", "connection", name, "broker", t.addresses[i],
			"error", err, "retry", retry)
		pause(ctx, retry)
		// Jitter keeps a company's services from coming back all at once.
		retry = min(max(2*retry, retryFirst), retryMost)
		retry = retry/2 + rand.N(retry/2+1) //nolint:gosec // Jitter is no secret.
	}
}

func (t *Transport) connect(
	ctx context.Context, name, url string, use func(context.Context, *amqp.Connection) error,
) error {
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName("parley " + name)
	conn, err := amqp.DialConfig(url, amqp.Config{Heartbeat: heartbeat, Properties: properties, Dial: dial(ctx)})
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	err = use(ctx, conn)
	if closeErr := conn.CloseDeadline(time.Now().Add(closeTimeout)); closeErr != nil &&
		!errors.Is(closeErr, amqp.ErrClosed) && err == nil {
		err = fmt.Errorf("close the connection: %w", closeErr)
	}
	return err
}

// up notes that a connection does its work.
func (t *Transport) up(ctx context.Context, name string, conn *amqp.Connection) {
	t.trouble(name, "")
	t.cfg.Log.InfoContext(ctx, "broker connected", "connection", name, "broker", conn.RemoteAddr().String())
}

// dial is the library's dialer with a context, and with a deadline on each
// write.
func dial(ctx context.Context) func(network, addr string) (net.Conn, error) {
	return func(network, addr string) (net.Conn, error) {
		dialer := net.Dialer{Timeout: dialTimeout}
		conn, err := dialer.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err //nolint:wrapcheck // connect says what it was doing.
		}
		// A broker that is frozen before its first frame is not noticed by
		// heartbeats. The library clears the deadline after the handshake.
		if err := conn.SetDeadline(time.Now().Add(dialTimeout)); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		return deadlineConn{conn}, nil
	}
}

// deadlineConn bounds each write: the library bounds only reads, by
// heartbeats.
type deadlineConn struct{ net.Conn }

func (c deadlineConn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err //nolint:wrapcheck // It stands for the connection's own Write.
	}
	return c.Conn.Write(b) //nolint:wrapcheck // As above.
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
