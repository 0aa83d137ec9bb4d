package rabbit

import (
	"context"
	"crypto/tls"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	probeEvery   = 200 * time.Millisecond
	probeTimeout = time.Second
)

// protocolHeader is what a client says first; a broker answers with a frame.
const protocolHeader = "AMQP\x00\x00\x09\x01"

// await waits for d, but no longer than until a broker answers that was silent
// when it was tried: a wait that has grown long would add to an outage that is
// over. One that answers and then refuses is given the time.
func (t *Transport) await(ctx context.Context, d time.Duration, silent []bool) (broker int, answers bool) {
	if d <= 0 {
		return 0, false
	}
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	first := make(chan int, len(silent)) // One place for each that may write.
	var probes sync.WaitGroup
	for i, was := range silent {
		if !was {
			continue
		}
		probes.Go(func() {
			if t.probe(ctx, t.uris[i]) {
				first <- i
				cancel()
			}
		})
	}
	<-ctx.Done()
	probes.Wait()
	select {
	case i := <-first:
		return i, true
	default:
		return 0, false
	}
}

// probe asks again and again until the broker answers, or ctx ends.
func (t *Transport) probe(ctx context.Context, uri amqp.URI) bool {
	for ctx.Err() == nil {
		if answers(ctx, uri) {
			return true
		}
		pause(ctx, probeEvery/2+rand.N(probeEvery)) //nolint:gosec // Jitter is no secret.
	}
	return false
}

// answers asks a broker to speak AMQP. That its system accepts connections says
// nothing: it does so for one that is frozen.
func answers(ctx context.Context, uri amqp.URI) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address(uri))
	if err != nil {
		return false
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	defer func() { _ = conn.Close() }()
	if uri.Scheme == "amqps" {
		conn = tls.Client(conn, &tls.Config{ServerName: uri.Host, MinVersion: tls.VersionTLS12})
	}
	if _, err := io.WriteString(conn, protocolHeader); err != nil {
		return false
	}
	n, err := conn.Read(make([]byte, 1))
	return n == 1 && err == nil
}
