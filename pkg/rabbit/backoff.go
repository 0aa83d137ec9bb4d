package rabbit

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"time"
)

const (
	minBackoff   = 50 * time.Millisecond
	maxBackoff   = 5 * time.Second
	probeEvery   = 250 * time.Millisecond
	probeTimeout = time.Second
)

// protocolHeader opens every AMQP connection; a broker replies with a frame.
const protocolHeader = "AMQP\x00\x00\x09\x01"

// backoff chooses the broker of the next connection attempt, and the delay before it: exponential
// with jitter, growing after each round over all brokers. Jitter keeps many services from
// reconnecting at once.
type backoff struct {
	brokers      []broker
	next         int           // the broker to try next
	tried        int           // brokers tried since the last delay
	delay        time.Duration // the last delay
	unresponsive []bool        // by broker: no response at the last attempt
}

// reset makes the next retry immediate.
func (b *backoff) reset() { b.delay, b.tried = 0, 0 }

// wait delays the next attempt if every broker was tried in this round. The delay ends early when
// an unresponsive broker responds again.
func (b *backoff) wait(ctx context.Context, responded bool) {
	n := len(b.brokers)
	b.unresponsive[b.next] = !responded
	b.next = (b.next + 1) % n
	if b.tried++; b.tried < n {
		return
	}
	b.tried = 0
	if i, found := b.probeAll(ctx); found {
		b.next = i
		b.reset()
		return
	}
	b.delay = jitter(min(max(2*b.delay, minBackoff), maxBackoff))
}

// probeAll waits for the delay, but ends early when an unresponsive broker responds again: a long
// delay would prolong an outage already over. A broker that responds and then rejects the
// connection does not end the delay.
func (b *backoff) probeAll(ctx context.Context) (broker int, found bool) {
	ctx, cancel := context.WithTimeout(ctx, b.delay)
	responses := make(chan int, len(b.brokers)) // room for every probe
	var probes sync.WaitGroup
	defer probes.Wait()
	defer cancel()
	for i, unresponsive := range b.unresponsive {
		if !unresponsive {
			continue
		}
		probes.Go(func() {
			if b.brokers[i].awaitResponse(ctx) {
				responses <- i
			}
		})
	}
	select {
	case i := <-responses:
		return i, true
	case <-ctx.Done():
		return 0, false
	}
}

// awaitResponse probes the broker until it responds or ctx ends.
func (b broker) awaitResponse(ctx context.Context) bool {
	for ctx.Err() == nil {
		if b.responds(ctx) {
			return true
		}
		pause(ctx, jitter(probeEvery))
	}
	return false
}

// responds sends a protocol header and waits for a reply. An accepted connection proves nothing:
// the operating system accepts connections for a frozen broker, too.
func (b broker) responds(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", b.address())
	if err != nil {
		return false
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	defer func() { _ = conn.Close() }()
	if b.uri.Scheme == "amqps" {
		conn = tls.Client(conn, &tls.Config{ServerName: b.uri.Host, MinVersion: tls.VersionTLS12})
	}
	if _, err := io.WriteString(conn, protocolHeader); err != nil {
		return false
	}
	n, err := conn.Read(make([]byte, 1))
	return n == 1 && err == nil
}
