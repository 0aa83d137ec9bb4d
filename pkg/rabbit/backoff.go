package rabbit

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"time"

	"parley.internal/pkg/retry"
)

const (
	minBackoff   = 50 * time.Millisecond
	maxBackoff   = 5 * time.Second // without jitter
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
	next         int // the broker to try next
	tried        int // brokers tried since the last delay
	delay        time.Duration
	unresponsive []bool // by broker: no response at the last attempt
}

// reset makes the next retry immediate.
func (b *backoff) reset() { b.delay, b.tried = 0, 0 }

// wait delays the next attempt if every broker was tried in this round. On average, a delay is half
// as long again as the delay before: a message that closes every connection is rejected after
// maxLosses connections, which must not take minutes.
func (b *backoff) wait(ctx context.Context, responded bool) {
	b.unresponsive[b.next] = !responded
	b.next = (b.next + 1) % len(b.brokers)
	if b.tried++; b.tried < len(b.brokers) {
		return
	}
	delay := b.delay
	b.tried, b.delay = 0, retry.Jitter(min(max(2*delay, minBackoff), maxBackoff)*3/4)
	b.probeAll(ctx, delay)
}

// probeAll waits for the delay, but ends early when an unresponsive broker responds again: a long
// delay would prolong an outage already over. A broker that responds and then rejects the
// connection does not end the delay.
func (b *backoff) probeAll(ctx context.Context, delay time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, delay)
	defer cancel()
	var probes sync.WaitGroup
	var first sync.Once
	for i, unresponsive := range b.unresponsive {
		if !unresponsive {
			continue
		}
		probes.Go(func() {
			if b.brokers[i].awaitResponse(ctx) {
				first.Do(func() {
					b.next = i
					b.reset()
				})
				cancel()
			}
		})
	}
	<-ctx.Done()
	probes.Wait()
}

// awaitResponse probes the broker until it responds or ctx ends.
func (b broker) awaitResponse(ctx context.Context) bool {
	for ctx.Err() == nil {
		if b.responds(ctx) {
			return true
		}
		retry.Wait(ctx, retry.Jitter(probeEvery))
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
	raw := conn
	defer context.AfterFunc(ctx, func() { _ = raw.Close() })()
	defer func() { _ = raw.Close() }()
	if b.uri.Scheme == "amqps" {
		conn = tls.Client(conn, &tls.Config{ServerName: b.uri.Host, MinVersion: tls.VersionTLS12})
	}
	_, _ = io.WriteString(conn, protocolHeader) // Without a connection, Read fails, too.
	n, _ := conn.Read(make([]byte, 1))
	return n == 1
}
