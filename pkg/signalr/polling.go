package signalr

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"
)

var (
	errUnpolled = errors.New("client polls no more")
	errNobody   = errors.New("nobody reads the answer")
)

// polling carries records to the client as answers to requests that wait for
// them, one at a time. What waits for the client waits for its next request.
type polling struct {
	*inbox

	options  *Options
	answers  chan answer
	finished chan struct{} // closed by expectEnd

	mu       sync.Mutex
	closed   bool          // by hangUp
	latest   *poll         // nil: none waits
	absent   *time.Timer   // runs while none waits
	patience time.Duration // how long
}

// poll is a request that waits.
type poll struct {
	reply  *reply
	stale  chan struct{}   // closed when another one has come
	client context.Context //nolint:containedctx // it is the client's request
}

// answer is a batch for a poll, which says how it went.
type answer struct {
	batch [][]byte
	took  func(bytes int)
	done  chan<- error
}

func newPolling(o *Options) *polling {
	p := &polling{inbox: newInbox(), options: o, answers: make(chan answer), finished: make(chan struct{})}
	p.patience = o.DisconnectTimeout
	p.absent = time.AfterFunc(p.patience, func() { p.leave(errUnpolled) })
	return p
}

// startPolling begins a connection with a poll that is answered at once.
func (h *Hub) startPolling(c *Conn, w http.ResponseWriter) {
	c.carry(newPolling(&h.options))
	w.Header().Set("Cache-Control", "no-cache, no-store")
	w.Header().Set("Content-Type", "application/octet-stream")
	w.WriteHeader(http.StatusOK)
	go c.begin() // owned by the door, which Wait waits for
}

// write gives a batch to the first poll that takes it.
func (p *polling) write(batch [][]byte, took func(bytes int)) error {
	for {
		done := make(chan error, 1)
		select {
		case p.answers <- answer{batch, took, done}:
		case <-p.over.Done():
			return errGone
		}
		if err := <-done; !errors.Is(err, errNobody) {
			return err
		}
	}
}

// serve answers a poll: with a batch; with nothing when it has waited for long;
// or with 204, which ends polling, when the connection is over or another poll
// has come.
func (p *polling) serve(w http.ResponseWriter, r *http.Request) {
	here := &poll{reply: newReply(w, p.options.WriteTimeout), stale: make(chan struct{}), client: r.Context()}
	p.arrive(here)
	defer p.depart(here)
	defer here.reply.finish()
	w.Header().Set("Cache-Control", "no-cache, no-store")
	w.Header().Set("Content-Type", "application/octet-stream")
	timeout := time.NewTimer(p.options.PollTimeout)
	defer timeout.Stop()
	for {
		select {
		case a := <-p.answers:
			if !here.waits() {
				a.done <- errNobody
				continue // and see why
			}
			err := here.answer(a)
			if err != nil {
				p.leave(err) // What of it has arrived, nobody knows.
			}
			a.done <- err
			return
		case <-timeout.C:
			w.WriteHeader(http.StatusOK)
			return
		case <-here.stale:
			w.WriteHeader(http.StatusNoContent)
			return
		case <-p.finished:
			w.WriteHeader(http.StatusNoContent)
			p.end(errLeft) // It is told, and has nothing to add.
			return
		case <-p.over.Done():
			w.WriteHeader(http.StatusNoContent)
			return
		case <-r.Context().Done():
			return
		}
	}
}

func (p *polling) arrive(here *poll) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.latest != nil {
		close(p.latest.stale)
	}
	p.latest = here
	p.absent.Stop()
}

func (p *polling) depart(here *poll) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.latest != here {
		return
	}
	p.latest = nil
	if !p.closed {
		p.absent.Reset(p.patience)
	}
}

// hurryLinger is how long a connection that ends waits for a poll: clients poll
// again at once, unless their server is about to stop and takes no requests.
const hurryLinger = 3 * time.Second

// hurry is when all that is left is to tell the client that it ends.
func (p *polling) hurry() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.patience = min(p.patience, hurryLinger)
	if p.latest == nil && !p.closed {
		p.absent.Reset(p.patience)
	}
}

// waits says whether the client still reads what is answered.
func (here *poll) waits() bool {
	select {
	case <-here.stale:
		return false
	case <-here.client.Done():
		return false
	default:
		return true
	}
}

func (here *poll) answer(a answer) error {
	size := 0
	for _, frames := range a.batch {
		size += len(frames)
	}
	here.reply.w.Header().Set("Content-Length", strconv.Itoa(size))
	return inPieces(a.batch, here.reply.write, a.took)
}

// expectEnd tells the client that there is no more. It may also say so itself.
func (p *polling) expectEnd(within time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.finished:
	default:
		close(p.finished)
	}
	p.readBy(time.Now().Add(within))
}

func (p *polling) hangUp() {
	p.inbox.hangUp()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.absent.Stop()
	if p.latest != nil {
		p.latest.reply.abort()
	}
}
