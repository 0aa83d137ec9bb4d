package outbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
)

// The inbox's patience.
const (
	inboxTimeout   = 30 * time.Second    // for one transaction
	orderPatience  = 30 * time.Second    // an event waits so long for its predecessor
	retryFirst     = time.Second         // doubled at each attempt
	retryMost      = 10 * time.Minute    //
	retryAttempts  = 12                  // then it is dead: after some 50 minutes
	inboxRetention = 14 * 24 * time.Hour // a copy that comes later takes effect again
)

// Inbox makes what a service is told take effect once, in its own database.
// Receive and Run are safe for concurrent use.
type Inbox struct {
	db       *database.DB
	consumer string
	router   *event.Router
	log      *slog.Logger
}

// NewInbox is the inbox in db of the service called consumer, which handles
// events with router. A handler's changes must go through db and the context
// it is given, so that they commit together with the fact that it ran.
//
// Messages with a partition key and a sequence are handled in that order: the
// consumer must have a handler for every type that its publisher numbers.
func NewInbox(db *database.DB, consumer string, router *event.Router, log *slog.Logger) *Inbox {
	return &Inbox{db: db, consumer: consumer, router: router, log: log}
}

// Receive handles a batch, and keeps what it cannot handle yet: it returns nil
// when the database has taken responsibility for all of it. An error means that
// the database could not be written: some of it may have been taken, and all of
// it is to come again.
func (i *Inbox) Receive(ctx context.Context, batch []event.Message) error {
	// A transport that stops must not leave a commit in doubt.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), inboxTimeout)
	defer cancel()
	batch = slices.Clone(batch)
	for at := range batch {
		batch[at] = storable(batch[at])
	}
	for _, m := range batch {
		i.log.InfoContext(ctx, "event consumed", "type", m.Type, "id", m.ID)
	}
	if err := i.inTx(ctx, batch...); err == nil {
		return nil
	}
	// One of them failed, and the transaction with it: find out which.
	for _, m := range batch {
		if err := i.one(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func (i *Inbox) inTx(ctx context.Context, batch ...event.Message) error {
	return i.db.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		if err := i.lock(ctx, tx, batch); err != nil {
			return err
		}
		for _, m := range batch {
			if err := i.receive(ctx, tx, m); err != nil {
				return err
			}
		}
		return nil
	})
}

// maxHeader is how many bytes of a header are taken as they are: an index of
// PostgreSQL takes no more than some thousands.
const maxHeader = 255

// storable is m with nothing that a database refuses: what a foreign publisher
// made of its headers must not keep all others waiting. A longer id is replaced
// by its digest, so that its copies are still known; a message with a longer
// partition key has no order.
func storable(m event.Message) event.Message {
	if len(m.ID) > maxHeader {
		sum := sha256.Sum256([]byte(m.ID))
		m.ID = "sha256:" + hex.EncodeToString(sum[:])
	}
	if len(m.PartitionKey) > maxHeader {
		m.PartitionKey, m.Sequence = "", 0
	}
	if len(m.TraceParent) > maxHeader {
		m.TraceParent = ""
	}
	m.Source = m.Source[:min(len(m.Source), maxHeader)]
	for _, field := range []*string{&m.ID, &m.Type, &m.Source, &m.PartitionKey, &m.TraceParent} {
		*field = plain(*field)
	}
	return m
}

func plain(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

// lock takes the partitions of a batch, in an order that all consumers keep:
// two that share partitions would else wait for each other.
func (i *Inbox) lock(ctx context.Context, tx *database.Tx, batch []event.Message) error {
	var keys []string
	for _, m := range batch {
		if m.Ordered() {
			keys = append(keys, m.PartitionKey)
		}
	}
	if len(keys) < 2 { // One is locked when it is looked at.
		return nil
	}
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		if _, err := i.position(ctx, tx, key); err != nil {
			return err
		}
	}
	return nil
}

// one handles a message alone, and parks it if its handler fails.
func (i *Inbox) one(ctx context.Context, m event.Message) error {
	for {
		err := i.inTx(ctx, m)
		if database.IsRefused(err) {
			// Not the weather, but something in it that the database will never take.
			err = &handlerError{message: m, attempts: 1, err: event.Permanent(err)}
		}
		failure, ok := errors.AsType[*handlerError](err)
		if !ok {
			return err
		}
		own := failure.message.ID == m.ID
		err = i.db.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
			if !own {
				return i.postpone(ctx, tx, failure)
			}
			fresh, err := i.remember(ctx, tx, m)
			if err != nil || !fresh {
				return err
			}
			return i.failed(ctx, tx, failure)
		})
		if err != nil || own {
			return err
		}
		// It was a successor that m released; m itself is still to be done.
	}
}

// handlerError is a handler's failure, to be told from the database's.
type handlerError struct {
	message  event.Message
	attempts int
	err      error
}

func (e *handlerError) Error() string { return e.err.Error() }
func (e *handlerError) Unwrap() error { return e.err }

// receive handles m in tx, unless it is a copy, or must wait for its turn.
func (i *Inbox) receive(ctx context.Context, tx *database.Tx, m event.Message) error {
	fresh, err := i.remember(ctx, tx, m)
	if err != nil {
		return err
	}
	if !fresh {
		i.log.InfoContext(ctx, "event came again", "type", m.Type, "id", m.ID)
		return nil
	}
	if !m.Ordered() {
		return i.handle(ctx, tx, m, 1)
	}
	last, err := i.position(ctx, tx, m.PartitionKey)
	if err != nil {
		return err
	}
	if m.Sequence > last+1 {
		return i.park(ctx, tx, parked{
			Message: m, state: stateWaiting, due: time.Now().Add(orderPatience),
		})
	}
	if err := i.handle(ctx, tx, m, 1); err != nil {
		return err
	}
	return i.advance(ctx, tx, m)
}

// remember notes that m has come, and reports whether it is the first time.
func (i *Inbox) remember(ctx context.Context, tx *database.Tx, m event.Message) (bool, error) {
	if m.ID == "" {
		return true, nil
	}
	n, err := database.Affected(tx.ExecContext(ctx, `
		INSERT INTO inbox_event (consumer, id, arrived_at) VALUES ($1, $2, $3)
		ON CONFLICT (consumer, id) DO NOTHING`,
		i.consumer, m.ID, database.Instant(time.Now())))
	if err != nil {
		return false, fmt.Errorf("remember event %s: %w", m.ID, err)
	}
	return n == 1, nil
}

func (i *Inbox) handle(ctx context.Context, tx *database.Tx, m event.Message, attempt int) error {
	if err := i.router.Dispatch(ctx, m); err != nil {
		return &handlerError{message: m, attempts: attempt, err: err}
	}
	tx.AfterCommit(func() { i.log.InfoContext(ctx, "event handled", "type", m.Type, "id", m.ID) })
	return nil
}

// failed parks what a handler failed on: to be tried again, or dead.
func (i *Inbox) failed(ctx context.Context, tx *database.Tx, failure *handlerError) error {
	m, p := failure.message, parked{Message: failure.message, attempts: failure.attempts, err: failure.Error()}
	if event.IsPermanent(failure.err) || failure.attempts >= retryAttempts {
		p.state = stateDead
		i.log.ErrorContext(ctx, "event is dead", "type", m.Type, "id", m.ID, "attempts", p.attempts, "error", p.err)
	} else {
		backoff := min(retryFirst<<(failure.attempts-1), retryMost)
		p.state, p.due = stateRetry, time.Now().Add(backoff/2+rand.N(backoff)) //nolint:gosec // Jitter is no secret.
		i.log.WarnContext(ctx, "event failed", "type", m.Type, "id", m.ID, "attempts", p.attempts, "error", p.err)
	}
	if err := i.park(ctx, tx, p); err != nil {
		return err
	}
	if p.state == stateDead && m.Ordered() {
		return i.advance(ctx, tx, m) // Its successors need not wait for it any more.
	}
	return nil
}

// postpone parks an event that failed when its predecessor released it. Its
// attempt does not count as its last: its predecessor's was rolled back too,
// and has to come first.
func (i *Inbox) postpone(ctx context.Context, tx *database.Tx, failure *handlerError) error {
	return i.park(ctx, tx, parked{
		Message: failure.message, state: stateRetry, attempts: failure.attempts - 1,
		due: time.Now(), err: failure.Error(),
	})
}
