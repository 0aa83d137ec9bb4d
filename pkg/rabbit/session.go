package rabbit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// errTopology says that what is on the broker is not what was to be declared:
// no retry mends it, an operator does.
var errTopology = errors.New("the broker holds another topology")

// session is one connection, from its dialling to its end.
type session struct {
	*amqp.Connection

	wire *wire
}

// within ends the connection the hard way unless what is done on it until the
// next call takes less than d: the library's own calls wait for ever. No limit
// is 0.
func (s *session) within(d time.Duration) { s.wire.limit(d) }

// keep holds a connection to one of the brokers until ctx ends: it calls use
// with each new one, and begins anew when use returns. It never uses the
// library's own recovery, under which a late acknowledgement of the old
// connection settles another message of the new one.
func (t *Transport) keep(ctx context.Context, name string, use func(context.Context, *session) error) error {
	t.trouble(name, lostConnection+"not yet")
	defer t.forget(name)
	r := retries{transport: t, silent: make([]bool, len(t.cfg.URLs))}
	explained := ""
	for {
		begun := time.Now()
		heard, err := t.connect(ctx, name, t.cfg.URLs[r.next], use)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errTopology):
			t.trouble(name, err.Error())
			if err.Error() != explained {
				explained = err.Error()
				t.cfg.Log.ErrorContext(ctx, "broker holds another topology", "connection", name,
					"broker", t.addresses[r.next], "error", err, "retry", topologyRetry)
			}
			pause(ctx, topologyRetry)
			continue
		case time.Since(begun) > steadyAfter:
			r.begin()
		}
		explained = ""
		t.trouble(name, lostConnection+err.Error())
		t.cfg.Log.WarnContext(ctx, "broker connection lost", "connection", name, "broker", t.addresses[r.next],
			"error", err)
		r.failed(ctx, heard)
	}
}

// connect reports whether the broker said anything.
func (t *Transport) connect(
	ctx context.Context, name, url string, use func(context.Context, *session) error,
) (heard bool, err error) {
	w := &wire{}
	defer w.release()
	// Nobody waits for a broker that does not answer when it is time to stop.
	attached := context.AfterFunc(ctx, w.cut)
	defer attached()
	w.limit(setupTimeout)
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName("parley " + name)
	conn, err := amqp.DialConfig(url, amqp.Config{Heartbeat: heartbeat, Properties: properties, Dial: w.dial(ctx)})
	if err != nil {
		return w.heard.Load(), fmt.Errorf("connect: %w", w.cause(err))
	}
	err = w.cause(use(ctx, &session{Connection: conn, wire: w}))
	w.limit(closeTimeout)
	if closeErr := conn.CloseDeadline(time.Now().Add(closeTimeout)); closeErr != nil &&
		!errors.Is(closeErr, amqp.ErrClosed) && err == nil {
		err = fmt.Errorf("close the connection: %w", closeErr)
	}
	return true, err
}

// up notes that a connection does its work.
func (t *Transport) up(ctx context.Context, name string, s *session) {
	s.within(0)
	s.wire.detach()
	t.opened(name)
	t.cfg.Log.InfoContext(ctx, "broker connected", "connection", name, "broker", s.RemoteAddr().String())
}

// retries decides when to try which broker again.
type retries struct {
	transport *Transport
	next      int           // the broker to try
	tried     int           // how many were tried since the last wait
	wait      time.Duration // the last one
	silent    []bool        // by broker: it did not say anything when it was tried
}

// begin makes the next retry a first one, which comes at once.
func (r *retries) begin() { r.wait, r.tried = 0, 0 }

// failed waits for the next try: after each broker was tried, longer each time,
// but not longer than until one answers that did not.
func (r *retries) failed(ctx context.Context, heard bool) {
	n := len(r.silent)
	r.silent[r.next] = !heard
	r.next = (r.next + 1) % n
	if r.tried++; r.tried < n {
		return
	}
	r.tried = 0
	if i, answers := r.transport.await(ctx, r.wait, r.silent); answers {
		r.next = i
		r.begin()
		return
	}
	// Jitter keeps a company's services from coming back all at once.
	r.wait = min(max(2*r.wait, retryFirst), retryMost)
	r.wait = r.wait/2 + rand.N(r.wait/2+1) //nolint:gosec // Jitter is no secret.
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
