package transport

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"
)

var (
	errPollingStopped = errors.New("client stopped polling")
	errPollAbandoned  = errors.New("client abandoned the poll")
	errPollReplaced   = errors.New("another poll has arrived")
)

// LongPolling is the transport over polls: a single request at a time waits for frames, and frames
// wait for the next poll.
type LongPolling struct {
	*Requests

	timeouts Timeouts
	batches  chan pollBatch
	finished chan struct{} // closed by finish
	finish   func()        // polls are answered with 204 from now on

	mu     sync.Mutex
	latest *poll         // nil: no poll waits
	absent *time.Timer   // runs while no poll waits
	grace  time.Duration // of absent
}

// Timeouts are the time limits of long polling.
type Timeouts struct {
	Poll  time.Duration // until a poll is answered without frames
	Gap   time.Duration // between two polls
	Write time.Duration // of each written piece
}

// poll is a waiting request.
type poll struct {
	response *response
	ctx      context.Context //nolint:containedctx // of the client's request, until another poll has arrived
	replace  context.CancelCauseFunc
}

// pollBatch is a batch for a poll, with the channel for the result.
type pollBatch struct {
	batch [][]byte
	wrote func(bytes int)
	done  chan<- error
}

// NewLongPolling starts to wait for the client's polls.
func NewLongPolling(t Timeouts) *LongPolling {
	p := &LongPolling{
		Requests: newRequests(), timeouts: t, batches: make(chan pollBatch), finished: make(chan struct{}), grace: t.Gap,
	}
	p.finish = sync.OnceFunc(func() { close(p.finished) })
	p.absent = time.AfterFunc(p.grace, func() { p.CloseWith(errPollingStopped) })
	return p
}

// WriteWait gives a batch to the next poll.
func (p *LongPolling) WriteWait(batch [][]byte, wrote func(bytes int)) error {
	for {
		done := make(chan error, 1)
		select {
		case p.batches <- pollBatch{batch, wrote, done}:
		case <-p.open.Done():
			return ErrClosed
		}
		if err := <-done; !errors.Is(err, errPollAbandoned) {
			return err
		}
	}
}

func setPollHeader(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-cache, no-store")
	w.Header().Set("Content-Type", "application/octet-stream")
}

// ServeFirst answers the first poll of a connection at once, without frames.
func (p *LongPolling) ServeFirst(w http.ResponseWriter) {
	setPollHeader(w)
	w.WriteHeader(http.StatusOK)
}

// ServePoll answers a poll: with a batch; without frames at the poll timeout; or with 204, which ends
// polling, when the connection has ended or another poll has arrived.
func (p *LongPolling) ServePoll(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	current := &poll{response: newResponse(w, p.timeouts.Write), ctx: ctx, replace: cancel}
	p.startPoll(current)
	defer p.endPoll(current)
	defer current.response.finish()
	setPollHeader(w)
	timeout := time.NewTimer(p.timeouts.Poll)
	defer timeout.Stop()
	for {
		select {
		case b := <-p.batches:
			if ctx.Err() != nil {
				b.done <- errPollAbandoned
				continue // another case tells the reason
			}
			err := current.write(b)
			if err != nil {
				p.CloseWith(err) // how much of the batch arrived is unknown
			}
			b.done <- err
			return
		case <-timeout.C:
			w.WriteHeader(http.StatusOK)
			return
		case <-p.finished:
			w.WriteHeader(http.StatusNoContent)
			p.stopReading(ErrLeft) // the client has been told and sends no more
			return
		case <-p.open.Done():
			w.WriteHeader(http.StatusNoContent)
			return
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), errPollReplaced) {
				w.WriteHeader(http.StatusNoContent)
			}
			return
		}
	}
}

func (p *LongPolling) startPoll(current *poll) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.latest != nil {
		p.latest.replace(errPollReplaced)
	}
	p.latest = current
	p.absent.Stop()
}

func (p *LongPolling) endPoll(current *poll) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.latest != current {
		return
	}
	p.latest = nil
	if p.open.Err() == nil {
		p.absent.Reset(p.grace)
	}
}

// lastGap is the longest gap before the poll that tells the client of the end: clients poll again at
// once, unless their server is about to stop and takes no requests.
const lastGap = 3 * time.Second

// ShortenGap is called when the client has yet to be told of the end of the connection, and nothing
// else.
func (p *LongPolling) ShortenGap() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.grace = min(p.grace, lastGap)
	if p.latest == nil && p.open.Err() == nil {
		p.absent.Reset(p.grace)
	}
}

func (c *poll) write(b pollBatch) error {
	size := 0
	for _, frames := range b.batch {
		size += len(frames)
	}
	c.response.w.Header().Set("Content-Length", strconv.Itoa(size))
	return writePieces(b.batch, c.response.write, b.wrote)
}

// ExpectClose implements Transport: polls are answered with 204 from now on. The client may also send
// a DELETE request.
func (p *LongPolling) ExpectClose(within time.Duration) {
	p.finish()
	p.SetReadDeadline(time.Now().Add(within))
}

// Close implements Transport.
func (p *LongPolling) Close() {
	p.Requests.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.absent.Stop()
	if p.latest != nil {
		p.latest.response.abort()
	}
}
