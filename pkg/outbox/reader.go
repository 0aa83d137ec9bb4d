package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/retry"
)

const (
	readInterval = 50 * time.Millisecond // for events that another process wrote
	fullInterval = time.Second           // for events that are older than recent
	fullShare    = 10                    // full reads take at most this part of the time
	recent       = 5 * time.Second       // the age of events that a fast read finds
)

// reader reads the events that are to be published. It finds rows by their state, not
// by the last id: a row with a smaller id may commit later. A transaction that stays
// open, on any table, keeps PostgreSQL from clearing the index of pending rows, so a
// walk over all of the index takes longer and longer. The reader therefore reads the
// recent end of the index, and all of the index once a second.
type reader struct {
	*Relay

	window   *inFlight
	batches  chan<- []event.Message
	fullAt   time.Time // the next full read
	limit    int       // rows of the next batch
	circuits int       // circuit breakers at the last read
}

func (rd *reader) run(ctx context.Context) {
	tick := time.NewTicker(readInterval)
	defer tick.Stop()
	backoff := retry.Backoff{First: retryFirst, Limit: retryLimit}
	for ctx.Err() == nil {
		if err := rd.read(ctx); err != nil && ctx.Err() == nil {
			rd.outbox.log.WarnContext(ctx, "reading the outbox failed", "error", err)
			backoff.Wait(ctx)
			continue
		}
		backoff.Reset()
		select {
		case <-ctx.Done():
		case <-rd.outbox.written:
		case <-tick.C:
		}
	}
}

// read passes pending events on until it has reached the newest.
func (rd *reader) read(ctx context.Context) error {
	from := firstID(time.Now().Add(-recent))
	for ctx.Err() == nil {
		reread := rd.window.drop()
		begun := time.Now()
		// A backlog must not hide events that committed late.
		full := reread || !begun.Before(rd.fullAt)
		if full {
			if err := rd.retryUndelivered(ctx); err != nil {
				return err
			}
			from = ""
		}
		broken, err := rd.probeCircuits(ctx)
		if err != nil {
			return err
		}
		if len(broken) < rd.circuits {
			full, from = true, "" // Events of a closed circuit may be old.
		}
		rd.circuits = len(broken)
		batch, err := rd.outbox.pending(ctx, from, rd.limit, broken)
		if err != nil {
			return err
		}
		if full {
			rd.fullAt = time.Now().Add(max(fullInterval, fullShare*time.Since(begun)))
		}
		rd.pass(ctx, batch)
		if !rd.hasMore(batch) {
			return nil
		}
		from = batch[len(batch)-1].ID
	}
	return nil
}

// hasMore reports whether more events may follow a batch, and sets the limit of the
// next batch to about batchBytes.
func (rd *reader) hasMore(batch []event.Message) bool {
	size := 0
	for _, m := range batch {
		size += len(m.Data)
	}
	full := len(batch) > 0 && (len(batch) >= rd.limit || size >= batchBytes)
	if len(batch) > 0 {
		rd.limit = min(max(batchBytes*len(batch)/max(size, 1), 1), batchEvents)
	}
	return full
}

// retryUndelivered passes on unroutable and rejected events that are due, apart from other
// events: a second rejection makes all events of its batch be published twice.
func (rd *reader) retryUndelivered(ctx context.Context) error {
	rd.count(ctx)
	for where, limit := range map[string]int{
		"state = 'unroutable' AND due_at <= $1 ORDER BY due_at LIMIT $2":   batchEvents,
		"state = 'rejected' AND due_at <= $1 ORDER BY due_at, id LIMIT $2": rejectedBatch,
	} {
		batch, err := rd.outbox.read(ctx, where, limit)
		if err != nil {
			return err
		}
		rd.pass(ctx, batch)
	}
	return nil
}

// probeCircuits passes on the probes that are due and returns all types with a circuit
// breaker.
func (rd *reader) probeCircuits(ctx context.Context) ([]string, error) {
	types, due := rd.breakers.probes(time.Now())
	for eventType, limit := range due {
		batch, err := rd.outbox.read(ctx, "state = 'pending' AND due_at <= $1 AND type = $3 ORDER BY id LIMIT $2", limit, eventType)
		if err != nil {
			return nil, err
		}
		if len(batch) == 0 {
			rd.breakers.idle(time.Now(), eventType)
		}
		rd.pass(ctx, batch)
	}
	return types, nil
}

// pass hands the events of a batch that are not in flight to the publisher.
func (rd *reader) pass(ctx context.Context, batch []event.Message) {
	if batch = rd.window.add(batch); len(batch) == 0 {
		return
	}
	select {
	case rd.batches <- batch:
	case <-ctx.Done():
	}
}

// firstPending selects pending events: due at $1, at most $2, with ids above $3, and
// not of the types that %s excludes.
const firstPending = `state = 'pending' AND id > $3 AND due_at <= $1%s ORDER BY id LIMIT $2`

// pending reads the first pending events with ids above from, without some types.
func (o *Outbox) pending(ctx context.Context, from string, limit int, without []string) ([]event.Message, error) {
	exclusion, args := "", []any{from}
	if len(without) > 0 {
		table, types, err := o.db.Dialect.Table("t", 4, database.Column{Name: "type", Values: without})
		if err != nil {
			return nil, fmt.Errorf("read pending events: %w", err)
		}
		exclusion, args = " AND type NOT IN (SELECT t.type FROM "+table+")", append(args, types...)
	}
	return o.read(ctx, fmt.Sprintf(firstPending, exclusion), limit, args...)
}

// errFull ends a read when the batch has reached batchBytes.
var errFull = errors.New("the batch is full")

// read returns the events that match a condition on the time $1, the limit $2 and args
// from $3 on, at most batchBytes of them.
func (o *Outbox) read(ctx context.Context, where string, limit int, args ...any) (batch []event.Message, err error) {
	room := batchBytes
	_, err = database.All(ctx, o.db.Reader(), func(scan func(...any) error) (none struct{}, err error) {
		m := event.Message{Source: o.source}
		var at int64
		if err := scan(&m.ID, &m.Type, &m.PartitionKey, &m.Sequence, &m.TraceParent, &m.Data, &at); err != nil {
			return none, err
		}
		m.Time = database.Time(at)
		batch = append(batch, m)
		if room -= len(m.Data); room <= 0 {
			return none, errFull
		}
		return none, nil
	}, `
		SELECT id, type, partition_key, sequence, traceparent, data, recorded_at FROM outbox_event WHERE `+where,
		append([]any{database.Instant(time.Now()), limit}, args...)...)
	if err != nil && !errors.Is(err, errFull) {
		return nil, fmt.Errorf("read pending events: %w", err)
	}
	return batch, nil
}

// count counts unroutable and rejected events by their partial indexes.
func (r *Relay) count(ctx context.Context) {
	var unroutable, rejected int64
	_, err := database.One(ctx, r.outbox.db.Reader(), `
		SELECT (SELECT count(*) FROM outbox_event WHERE state = 'unroutable'),
			(SELECT count(*) FROM outbox_event WHERE state = 'rejected')`, nil, &unroutable, &rejected)
	if err == nil { // The next read reports an error.
		r.unroutable.Store(unroutable)
		r.rejected.Store(rejected)
	}
}

// firstID returns an id below all UUIDv7 made at t or later.
func firstID(t time.Time) string {
	ms := t.UnixMilli()
	return fmt.Sprintf("%08x-%04x-0000-0000-000000000000", ms>>16, ms&0xffff)
}
