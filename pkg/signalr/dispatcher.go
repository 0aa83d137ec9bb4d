package signalr

import (
	"context"
	"slices"
	"sync"
)

// maxWaitingInvocations is the number of waiting invocations of a connection. Beyond this number, or
// with as many bytes of invocations as a message may have, the hub stops reading from the client until
// there is room: backpressure.
const maxWaitingInvocations = 16

// dispatcher runs the hub's code for a connection: OnConnect, the client's invocations sequentially
// and in the order of arrival, and OnDisconnect. Invocations with client streams run beside the
// others. The dispatcher has a worker goroutine while there is something to run.
type dispatcher struct {
	conn *Conn

	worker sync.WaitGroup
	beside sync.WaitGroup // streams to the client, and invocations with client streams

	mu       sync.Mutex
	phase    phase
	rejected bool // by OnConnect
	closing  bool // the connection closes
	working  bool // the worker goroutine runs
	queue    []*invocation
	bytes    int           // of queue
	room     chan struct{} // closed when there is room in queue; nil: the reader does not wait
	early    []*invocation // with client streams, until OnConnect has returned
	running  []*invocation
	besides  int           // of running: invocations with client streams
	idle     chan struct{} // closed when everything has run; nil: no caller waits
}

// phase is the progress of a dispatcher.
type phase uint8

const (
	phaseHandshake  phase = iota // nothing may run
	phaseConnecting              // OnConnect runs
	phaseOpen                    // OnConnect has returned
	phaseEnded                   // OnDisconnect runs or has returned
)

// start runs OnConnect, after the handshake.
func (d *dispatcher) start() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.phase = phaseConnecting
	d.wake()
}

// close lets the dispatcher end: after the waiting invocations, or at once if the context of the
// connection is done.
func (d *dispatcher) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closing = true
	d.wake()
}

// wake starts the worker unless the worker runs. The caller holds mu.
func (d *dispatcher) wake() {
	if d.working || d.phase == phaseHandshake || d.phase == phaseEnded {
		return
	}
	d.working = true
	d.conn.keepAlive.methodStarted()
	d.worker.Go(d.work)
}

// work is the worker goroutine.
func (d *dispatcher) work() {
	for run := d.next(); run != nil; run = d.next() {
		run()
	}
}

// next returns the next function to run, or nil when there is none.
func (d *dispatcher) next() func() {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.phase == phaseConnecting:
		return d.connect
	case d.phase == phaseOpen && d.closing && (len(d.queue)+d.besides == 0 || d.conn.ctx.Err() != nil):
		d.phase = phaseEnded
		return func() { d.conn.disconnect(!d.rejected) }
	case d.phase == phaseOpen && len(d.queue) > 0:
		i := d.queue[0]
		d.queue, d.bytes = d.queue[1:], d.bytes-i.bytes
		if d.room != nil {
			close(d.room)
			d.room = nil
		}
		d.running = append(d.running, i)
		return i.run
	}
	d.working = false
	d.conn.keepAlive.methodEnded()
	d.queue = nil // is empty, or will not run
	if d.phase == phaseEnded && d.idle != nil {
		close(d.idle)
		d.idle = nil
	}
	return nil
}

// connect runs OnConnect. An error closes the connection.
func (d *dispatcher) connect() {
	c := d.conn
	err := protect(func() error { return c.hub.onConnect(c.ctx, c) })
	if err != nil {
		c.logFailure("connect", err)
		c.close(closeReason{err: err, text: closedWithError(err)})
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.phase, d.rejected = phaseOpen, err != nil
	early := d.early
	d.early = nil
	for _, i := range early {
		d.runBeside(i)
	}
}

// schedule queues an invocation, or runs an invocation with client streams beside the others. schedule
// waits while too many invocations wait; after an error the invocation does not run.
func (d *dispatcher) schedule(i *invocation) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(i.message.Streams) > 0 {
		d.runBeside(i)
		return nil
	}
	for len(d.queue) > 0 && (len(d.queue) >= maxWaitingInvocations || d.bytes+i.bytes > d.conn.hub.options.MaxMessage) {
		room := make(chan struct{})
		d.room = room
		d.mu.Unlock()
		err := d.conn.pauseReading(func(ctx context.Context) error {
			select {
			case <-room:
			case <-ctx.Done():
			}
			return ctx.Err()
		})
		d.mu.Lock()
		if err != nil {
			return err
		}
	}
	d.queue = append(d.queue, i)
	d.bytes += i.bytes
	d.wake()
	return nil
}

// runBeside runs an invocation with client streams on a goroutine of its own: the method may wait for
// long for items of the client and must not delay the other invocations. maxStreams bounds their
// number. The caller holds mu.
func (d *dispatcher) runBeside(i *invocation) {
	switch {
	case d.phase == phaseEnded, d.conn.ctx.Err() != nil:
	case d.phase != phaseOpen:
		d.early = append(d.early, i)
	default:
		d.running = append(d.running, i)
		d.besides++
		d.beside.Go(func() {
			defer d.besideDone()
			i.run()
		})
	}
}

// besideDone ends an invocation beside the others. The end of the connection may wait for the last of
// them.
func (d *dispatcher) besideDone() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.besides--
	if d.closing {
		d.wake()
	}
}

// done returns a channel that is closed after OnDisconnect.
func (d *dispatcher) done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.idle = make(chan struct{})
	if d.phase == phaseEnded && !d.working {
		close(d.idle)
	}
	return d.idle
}

// completionHook is a function of AfterCompletion.
type completionHook struct {
	fn        func(context.Context) error
	waitsFor  int  // invocations
	succeeded bool // any of them
}

// addHook registers a function for the end of all running invocations. Without running
// invocations addHook returns false.
func (d *dispatcher) addHook(fn func(context.Context) error) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	hook := &completionHook{fn: fn, waitsFor: len(d.running)}
	for _, i := range d.running {
		i.hooks = append(i.hooks, hook)
	}
	return len(d.running) > 0
}

// completed removes a running invocation and returns the hooks for which this was the last one.
func (d *dispatcher) completed(i *invocation, succeeded bool) (due []func(context.Context) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running = slices.DeleteFunc(d.running, func(other *invocation) bool { return other == i })
	for _, hook := range i.hooks {
		hook.waitsFor--
		hook.succeeded = hook.succeeded || succeeded
		if hook.waitsFor == 0 && hook.succeeded {
			due = append(due, hook.fn)
		}
	}
	return due
}
