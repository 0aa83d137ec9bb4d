package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
)

const (
	lookEvery = 50 * time.Millisecond // for what another process wrote
	wholeLook = time.Second           // for what is older than recent
	wholeRest = 10                    // a whole look takes at most one part in so many of the time
	recent    = 5 * time.Second       // how far back a fast look looks
)

// reader finds what is to be published. Rows are found by their state: one with
// a smaller id may commit later. But a transaction that stays open, whoever's it
// is, keeps PostgreSQL from clearing the index of what is pending, and to walk
// over all that was pending meanwhile takes longer and longer. So the reader
// looks at the new end of the index, and at the whole of it once a second.
type reader struct {
	*Relay

	flight  *flight
	batches chan<- []event.Message
	whole   time.Time // when the next whole look is due
	most    int       // rows of the next batch; at first relayBatch
	held    int       // how many types were published apart when it looked last
}

func (rd *reader) run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	retry := relayRetryFirst
	for ctx.Err() == nil {
		err := rd.look(ctx)
		if err != nil && ctx.Err() == nil {
			rd.outbox.log.WarnContext(ctx, "events not read", "error", err, "retry", retry)
			wait(ctx, retry/2+rand.N(retry)) //nolint:gosec // Jitter is no secret.
			retry = min(2*retry, relayRetryMost)
			continue
		}
		retry = relayRetryFirst
		select {
		case <-ctx.Done():
		case <-rd.outbox.woken:
		case <-tick.C:
		}
	}
}

// look passes on what it finds, up to the newest.
func (rd *reader) look(ctx context.Context) error {
	from := firstID(time.Now().Add(-recent))
	rd.most = cmp.Or(rd.most, relayBatch)
	for ctx.Err() == nil {
		refused := rd.flight.clear()
		begun := time.Now()
		// A backlog must not keep what committed late from being seen.
		whole := refused || !begun.Before(rd.whole)
		if whole {
			if err := rd.again(ctx); err != nil {
				return err
			}
			from = ""
		}
		apart, err := rd.apart(ctx)
		if err != nil {
			return err
		}
		if len(apart) < rd.held {
			whole, from = true, "" // What waited of a type may be old.
		}
		rd.held = len(apart)
		batch, err := rd.outbox.pending(ctx, from, rd.most, apart)
		if err != nil {
			return err
		}
		if whole {
			rd.whole = time.Now().Add(max(wholeLook, wholeRest*time.Since(begun)))
		}
		rd.pass(ctx, batch)
		if !rd.more(batch) {
			return nil
		}
		from = batch[len(batch)-1].ID
	}
	return nil
}

// more reports whether there may be more behind a batch, and how much of it is
// read next: about relayBytes.
func (rd *reader) more(batch []event.Message) bool {
	size := 0
	for _, m := range batch {
		size += len(m.Data)
	}
	full := len(batch) > 0 && (len(batch) >= rd.most || size >= relayBytes)
	if len(batch) > 0 {
		rd.most = min(max(relayBytes*len(batch)/max(size, 1), 1), relayBatch)
	}
	return full
}

// again passes on what was put aside and is due, apart from the rest: what is
// refused again has all that is published with it published twice.
func (rd *reader) again(ctx context.Context) error {
	rd.count(ctx)
	for _, aside := range []struct {
		where string
		most  int
	}{
		{"state = 'unroutable' AND due_at <= $1 ORDER BY due_at LIMIT $2", relayBatch},
		{"state = 'refused' AND due_at <= $1 ORDER BY due_at, id LIMIT $2", refusedBatch},
	} {
		batch, err := rd.outbox.read(ctx, aside.where, database.Instant(time.Now()), aside.most)
		if err != nil {
			return err
		}
		rd.pass(ctx, batch)
	}
	return nil
}

// apart passes on some of the types that are published apart, and returns those
// types.
func (rd *reader) apart(ctx context.Context) ([]string, error) {
	types, due := rd.nacked.held(time.Now())
	for eventType, most := range due {
		batch, err := rd.outbox.read(ctx, "state = 'pending' AND due_at <= $1 AND type = $2 ORDER BY id LIMIT $3",
			database.Instant(time.Now()), eventType, most)
		if err != nil {
			return nil, err
		}
		if len(batch) == 0 {
			rd.nacked.none(time.Now(), eventType)
		}
		rd.pass(ctx, batch)
	}
	return types, nil
}

func (rd *reader) pass(ctx context.Context, batch []event.Message) {
	if batch = rd.flight.take(batch); len(batch) == 0 {
		return
	}
	select {
	case rd.batches <- batch:
	case <-ctx.Done():
	}
}

// firstPending is what pending asks for: due at $1, at most $2, behind $3, and of
// other types, which %s may say.
const firstPending = `state = 'pending' AND id > $3 AND due_at <= $1%s ORDER BY id LIMIT $2`

// pending are the first of those that wait from an id on, but for some types.
func (o *Outbox) pending(ctx context.Context, from string, most int, apart []string) ([]event.Message, error) {
	args := []any{database.Instant(time.Now()), most, from}
	others := ""
	if len(apart) > 0 {
		table, types, err := o.db.Dialect.Table("t", len(args)+1, database.Column{Name: "type", Values: apart})
		if err != nil {
			return nil, fmt.Errorf("read pending events: %w", err)
		}
		others, args = " AND type NOT IN (SELECT t.type FROM "+table+")", append(args, types...)
	}
	return o.read(ctx, fmt.Sprintf(firstPending, others), args...)
}

// errFull ends the reading of rows.
var errFull = errors.New("there is no room for more")

// read stops when it has relayBytes, whatever it was asked for.
func (o *Outbox) read(ctx context.Context, where string, args ...any) (batch []event.Message, err error) {
	room := relayBytes
	_, err = database.All(ctx, o.db.Reader(), func(scan func(...any) error) (struct{}, error) {
		m, err := o.scan(scan)
		if err != nil {
			return struct{}{}, err
		}
		batch = append(batch, m)
		if room -= len(m.Data); room <= 0 {
			return struct{}{}, errFull
		}
		return struct{}{}, nil
	}, `
		SELECT id, type, partition_key, sequence, traceparent, data, recorded_at FROM outbox_event WHERE `+where, args...)
	if err != nil && !errors.Is(err, errFull) {
		return nil, fmt.Errorf("read pending events: %w", err)
	}
	return batch, nil
}

func (o *Outbox) scan(scan func(...any) error) (event.Message, error) {
	m := event.Message{Source: o.source}
	var at int64
	err := scan(&m.ID, &m.Type, &m.PartitionKey, &m.Sequence, &m.TraceParent, &m.Data, &at)
	m.Time = database.Time(at)
	return m, err
}

// count looks how many events were put aside; partial indexes know.
func (r *Relay) count(ctx context.Context) {
	var unroutable, refused int64
	_, err := database.One(ctx, r.outbox.db.Reader(), `
		SELECT (SELECT count(*) FROM outbox_event WHERE state = 'unroutable'),
			(SELECT count(*) FROM outbox_event WHERE state = 'refused')`, nil, &unroutable, &refused)
	if err == nil { // Else the next look says what is wrong.
		r.unroutable.Store(unroutable)
		r.refused.Store(refused)
	}
}

// firstID is before all UUIDv7 that were made from t on.
func firstID(t time.Time) string {
	ms := t.UnixMilli()
	return fmt.Sprintf("%08x-%04x-0000-0000-000000000000", ms>>16, ms&0xffff)
}

// flight knows what is being published and settled, which must not be read
// again. It is safe for concurrent use.
type flight struct {
	mu      sync.Mutex
	flying  map[string]bool
	landed  []string
	refused bool // some are to be read again
}

// take returns what of a batch does not fly yet, and has it fly.
func (f *flight) take(batch []event.Message) []event.Message {
	f.mu.Lock()
	defer f.mu.Unlock()
	var fresh []event.Message
	for _, m := range batch {
		if !f.flying[m.ID] {
			f.flying[m.ID] = true
			fresh = append(fresh, m)
		}
	}
	return fresh
}

// land notes that ids have been settled, or not taken by the transport. They
// still fly until clear is called: who is reading just now sees them pending.
func (f *flight) land(ids []string, refused bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.landed = append(f.landed, ids...)
	f.refused = f.refused || refused
}

// clear is called before a read. It reports whether some are to be read again.
func (f *flight) clear() (refused bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range f.landed {
		delete(f.flying, id)
	}
	refused, f.refused, f.landed = f.refused, false, nil
	return refused
}
