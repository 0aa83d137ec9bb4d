package outbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.internal/pkg/database"
	"parley.internal/pkg/database/databasetest"
	"parley.internal/pkg/event"
	"parley.internal/pkg/testenv"
)

// told is an inbox whose handler writes what it was told into effect, and
// fails as failures says.
type told struct {
	*Inbox

	t        *testing.T
	db       *database.DB
	mu       sync.Mutex
	failures map[string][]error // per number, one for each attempt
}

func newTold(t *testing.T, url string) *told {
	t.Helper()
	return newToldIn(t, open(t, url))
}

func newToldIn(t *testing.T, db *database.DB) *told {
	t.Helper()
	in := &told{t: t, db: db, failures: map[string][]error{}}
	var router event.Router
	event.Handle(&router, func(ctx context.Context, e sold) error {
		if _, err := db.Exec(ctx, `INSERT INTO effect (position, what)
			SELECT COALESCE(MAX(position), 0) + 1, CAST($1 AS text) FROM effect`, e.Number); err != nil {
			return err
		}
		return in.failure(e.Number)
	})
	in.Inbox = NewInbox(db, "chat", &router, quiet)
	return in
}

func (in *told) failure(number string) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	left := in.failures[number]
	if len(left) == 0 {
		return nil
	}
	in.failures[number] = left[1:]
	return left[0]
}

func (in *told) receive(batch ...event.Message) {
	in.t.Helper()
	if err := in.Receive(in.t.Context(), batch); err != nil {
		in.t.Error(err)
	}
}

// sweep is a look at what is due after some time in which nothing came.
func (in *told) sweep(after time.Duration) {
	in.t.Helper()
	in.CaughtUp("Sold", time.Now())
	if err := in.redo(in.t.Context(), time.Now().Add(after)); err != nil {
		in.t.Error(err)
	}
}

func (in *told) want(effects ...string) {
	in.t.Helper()
	if diff := cmp.Diff(effects, column(in.t, in.db, "SELECT what FROM effect ORDER BY position")); diff != "" {
		in.t.Errorf("effects (-want +got):\n%s", diff)
	}
}

func (in *told) wantParked(states ...string) {
	in.t.Helper()
	got := column(in.t, in.db, "SELECT id || ' ' || state FROM inbox_parked ORDER BY sequence, id")
	if diff := cmp.Diff(states, got); diff != "" {
		in.t.Errorf("parked (-want +got):\n%s", diff)
	}
}

// loose has no order; nth is the nth event of policy P.
func loose(number string) event.Message {
	return event.Message{ID: number, Type: "Sold", Data: fmt.Appendf(nil, `{"number":%q}`, number)}
}

func nth(sequence int64) event.Message {
	m := loose(fmt.Sprint(sequence))
	m.PartitionKey, m.Sequence = "P", sequence
	return m
}

var (
	errWeather = errors.New("the database is away")
	errNever   = event.Permanent(errors.New("no such product"))
)

func TestTheSameEventTakesEffectOnce(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newTold(t, url(t))
		in.receive(loose("a"), loose("a"), loose("b"))
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() { in.receive(loose("a"), loose("b")) })
		}
		wg.Wait()
		in.want("a", "b")
	})
}

func TestAnEventWithoutIDIsHandledEachTime(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newTold(t, url(t))
		m := loose("a")
		m.ID = ""
		in.receive(m, m)
		in.want("a", "a")
	})
}

func TestAFailureHarmsNoOther(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newTold(t, url(t))
		in.failures["b"] = []error{errWeather, errWeather, errWeather}
		in.receive(loose("a"), loose("b"), loose("c"))
		in.want("a", "c")
		in.wantParked("b retry")
		in.receive(loose("b")) // A copy does not jump the queue.
		in.want("a", "c")
		in.sweep(time.Hour)
		in.wantParked("b retry")
		in.sweep(time.Hour)
		in.want("a", "c", "b")
		in.wantParked()
		in.receive(loose("b"))
		in.want("a", "c", "b")
		// A failure may be counted more often than it is stored: it is told apart
		// from its transaction's by trying again.
		got := in.Counts()
		if got.Handled != 3 || got.Again < 2 || got.Failed < 2 || got.Gaps != 0 {
			t.Errorf("it counted %+v", got)
		}
	})
}

func TestWhatNeverMendsIsDeadWithItsBytes(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newTold(t, url(t))
		in.failures["b"] = []error{errNever, errNever}
		broken := event.Message{ID: "x", Type: "Sold", Data: []byte("{broken \xff")}
		in.receive(loose("a"), broken, loose("b"), loose("c"))
		in.want("a", "c")
		in.wantParked("b dead", "x dead")
		in.sweep(1000 * time.Hour)
		in.wantParked("b dead", "x dead")
		var data []byte
		var reason string
		found, err := database.One(t.Context(), in.db.Query(t.Context()),
			"SELECT data, error FROM inbox_parked WHERE id = 'x'", nil, &data, &reason)
		if !found || err != nil || string(data) != string(broken.Data) || reason == "" {
			t.Errorf("kept %q with error %q, %v", data, reason, err)
		}
	})
}

// PostgreSQL refuses such bytes in a text: the message would come for ever, and
// everything behind it never.
func TestHeadersThatAreNoTextKeepNobodyWaiting(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newTold(t, url(t))
		odd := loose("odd")
		odd.ID, odd.Source, odd.PartitionKey, odd.Sequence, odd.TraceParent = "i\x00d\xff", "\xff", "\x00", 1, "\xfe"
		in.failures["broken"] = []error{
			event.Permanent(errors.New("no amount: \x00\xff")), event.Permanent(errors.New("no amount: \x00\xff")),
		}
		in.receive(odd, loose("broken"), loose("next"))
		in.receive(odd)
		// Text that cannot be compressed: PostgreSQL would take 8,000 times the
		// same letter.
		long := loose("long")
		for len(long.ID) < 8000 {
			long.ID += rand.Text()
		}
		long.Source, long.PartitionKey, long.TraceParent, long.Sequence = long.ID, long.ID, long.ID, 3
		in.receive(long, loose("last"))
		in.receive(long)
		in.want("odd", "next", "long", "last")
		in.wantParked("broken dead")
	})
}

// A foreign publisher may count in bytes.
func TestHeadersThatAreNoTextAreToldApart(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newTold(t, url(t))
		var batch []event.Message
		for _, number := range []string{"\x80", "\x81", "\x00", "\uFFFD"} {
			m := loose(fmt.Sprintf("%x", number))
			m.ID, m.PartitionKey, m.Sequence = number, "P"+number, 1
			batch = append(batch, m)
		}
		in.receive(batch...)
		in.receive(batch...)
		got := column(t, in.db, "SELECT what FROM effect ORDER BY what")
		if diff := cmp.Diff([]string{"00", "80", "81", "efbfbd"}, got); diff != "" {
			t.Errorf("effects (-want +got):\n%s", diff)
		}
		if again := in.Counts().Again; again != int64(len(batch)) {
			t.Errorf("%d were copies", again)
		}
		in.wantParked()
	})
}

func TestARetryGivesUpInTheEnd(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newTold(t, url(t))
		for range retryAttempts + 1 {
			in.failures["a"] = append(in.failures["a"], errWeather)
		}
		in.receive(loose("a"))
		for range retryAttempts - 1 {
			in.wantParked("a retry")
			in.sweep(time.Hour)
		}
		in.wantParked("a dead")
		in.want()
	})
}

func TestOrder(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		tests := map[string]struct {
			failures map[string][]error
			do       func(in *told)
			effects  []string
			parked   []string
		}{
			"an event waits for its predecessor": {
				do:     func(in *told) { in.receive(nth(3)); in.receive(nth(2)); in.sweep(time.Second) },
				parked: []string{"2 waiting", "3 waiting"},
			},
			"and is handled with it": {
				do:      func(in *told) { in.receive(nth(3), nth(2)); in.receive(nth(1)) },
				effects: []string{"1", "2", "3"},
			},
			"other partitions do not wait": {
				do:      func(in *told) { in.receive(nth(2), loose("a")) },
				effects: []string{"a"}, parked: []string{"2 waiting"},
			},
			"it waits for so long, then there is a gap": {
				do:      func(in *told) { in.receive(nth(2), nth(3)); in.sweep(orderPatience + time.Second) },
				effects: []string{"2", "3"},
			},
			"what comes after the gap was declared is handled late": {
				do: func(in *told) {
					in.receive(nth(2))
					in.sweep(orderPatience + time.Second)
					in.receive(nth(1), nth(3))
				},
				effects: []string{"2", "1", "3"},
			},
			"a failure holds up its successors": {
				failures: map[string][]error{"1": {errWeather, errWeather, errWeather}},
				do:       func(in *told) { in.receive(nth(1), nth(2)); in.receive(nth(3)); in.sweep(time.Minute) },
				parked:   []string{"1 retry", "2 waiting", "3 waiting"},
			},
			"until it succeeds": {
				failures: map[string][]error{"1": {errWeather, errWeather}},
				do:       func(in *told) { in.receive(nth(1), nth(2)); in.receive(nth(3)); in.sweep(time.Minute) },
				effects:  []string{"1", "2", "3"},
			},
			"or is dead": {
				failures: map[string][]error{"1": {errNever, errNever}},
				do:       func(in *told) { in.receive(nth(1), nth(2)) },
				effects:  []string{"2"}, parked: []string{"1 dead"},
			},
			"a successor that fails does not undo its predecessor": {
				failures: map[string][]error{"2": {errWeather, errWeather}},
				do:       func(in *told) { in.receive(nth(3), nth(2)); in.receive(nth(1)) },
				effects:  []string{"1"}, parked: []string{"2 retry", "3 waiting"},
			},
			"and is tried again in its turn": {
				failures: map[string][]error{"2": {errWeather, errWeather}},
				do: func(in *told) {
					in.receive(nth(3), nth(2))
					in.receive(nth(1))
					in.sweep(time.Minute)
					in.sweep(time.Hour)
				},
				effects: []string{"1", "2", "3"},
			},
			"a successor that never succeeds is dead only after its predecessor": {
				failures: map[string][]error{"2": {errNever, errNever, errNever}},
				do: func(in *told) {
					in.receive(nth(3), nth(2))
					in.receive(nth(1))
					in.sweep(time.Minute)
				},
				effects: []string{"1", "3"}, parked: []string{"2 dead"},
			},
			"a copy of what waits is one": {
				do:      func(in *told) { in.receive(nth(2), nth(2)); in.receive(nth(2)); in.receive(nth(1)) },
				effects: []string{"1", "2"},
			},
		}
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				in := newTold(t, url(t))
				maps.Copy(in.failures, tt.failures)
				tt.do(in)
				in.want(tt.effects...)
				in.wantParked(tt.parked...)
			})
		}
	})
}

func TestRunHandlesWhatIsDue(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newTold(t, url(t))
		in.failures["a"] = []error{errWeather, errWeather}
		in.receive(loose("a"))
		if _, err := in.db.Exec(t.Context(), "UPDATE inbox_parked SET due_at = 1"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := in.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		for len(column(t, in.db, "SELECT what FROM effect")) == 0 && ctx.Err() == nil {
			wait(ctx, 10*time.Millisecond)
		}
		cancel()
		wg.Wait()
		in.want("a")
	})
}

func TestTheInboxForgetsOnlyWhatIsOld(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newTold(t, url(t))
		in.receive(loose("a"), loose("b"))
		if _, err := in.db.Exec(t.Context(), "UPDATE inbox_event SET arrived_at = 1 WHERE id = 'a'"); err != nil {
			t.Fatal(err)
		}
		if err := in.cleanup(t.Context(), time.Now().Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"b"}, column(t, in.db, "SELECT id FROM inbox_event")); diff != "" {
			t.Error(diff)
		}
	})
}

// Two consumers of one database that get the same partitions in another order
// must not wait for each other: on PostgreSQL that ends only after a second,
// and by an error.
func TestConsumersOfTheSamePartitionsDoNotWaitForEachOther(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newTold(t, url(t))
		const partitions = 20
		var forth, back []event.Message
		var want []string
		for p := range partitions {
			for sequence := range int64(2) {
				m := nth(sequence + 1)
				m.PartitionKey = fmt.Sprint("P", p)
				m.ID = fmt.Sprintf("%s-%d", m.PartitionKey, m.Sequence)
				m.Data = fmt.Appendf(nil, `{"number":%q}`, m.ID)
				want = append(want, m.ID)
				if sequence == 0 {
					forth = append(forth, m)
				} else {
					back = append([]event.Message{m}, back...)
				}
			}
		}
		var wg sync.WaitGroup
		for _, batch := range [][]event.Message{forth, back} {
			wg.Go(func() { in.receive(batch...) })
		}
		wg.Wait()
		in.wantParked()
		got := column(t, in.db, "SELECT what FROM effect ORDER BY what")
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("effects (-want +got):\n%s", diff)
		}
	})
}

func TestAHandlerIsNotAskedAgainWhatNeverMends(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newTold(t, url(t))
		in.failures["a"] = []error{errNever} // A second attempt would succeed.
		in.receive(loose("a"))
		in.want()
		in.wantParked("a dead")
		in.failures["b"] = []error{errNever}
		in.receive(loose("b"), loose("c"))
		in.want("c")
		in.wantParked("a dead", "b dead")
	})
}

// handlingInTheMiddle is an inbox whose handler has begun when it says so, and
// goes on when frozen is closed.
func handlingInTheMiddle(t *testing.T, db *database.DB) (in *Inbox, begun <-chan struct{}, frozen chan<- struct{}) {
	t.Helper()
	told, goesOn := make(chan struct{}, 1), make(chan struct{})
	in = handling(t, db, func(ctx context.Context, e sold) error {
		select {
		case told <- struct{}{}:
		default:
		}
		<-goesOn
		return note(ctx, db, e.Number)
	})
	return in, told, goesOn
}

// An inbox that cannot commit stops all the same, and soon: what is in hand is
// handed back, and comes again.
func TestAnInboxStopsSoonWithoutItsDatabase(t *testing.T) {
	server := testenv.StartPostgres(t)
	db := open(t, server.URL())
	in, begun, frozen := handlingInTheMiddle(t, db)
	batch := sales(10 * setMost)
	ctx, stop := context.WithCancel(t.Context())
	received, ran := make(chan error, 1), make(chan error, 1)
	go func() { received <- in.Receive(ctx, batch) }()
	go func() { ran <- in.Run(ctx) }()
	<-begun
	server.Freeze()
	close(frozen)
	since := time.Now()
	stop()
	if err := <-received; err == nil {
		t.Error("it has taken what it could not commit")
	}
	if err := <-ran; err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	took := time.Since(since)
	server.Thaw()
	if took >= inboxTimeout { // As long as a transaction may take otherwise.
		t.Errorf("it stopped after %s", took)
	}
	again := connect(t, server.URL())
	in = handling(t, again, func(ctx context.Context, e sold) error { return note(ctx, again, e.Number) })
	if err := in.Receive(t.Context(), batch); err != nil {
		t.Error(err)
	}
	var want []string
	for _, m := range batch {
		want = append(want, m.ID)
	}
	if diff := cmp.Diff(sorted(want), column(t, again, "SELECT what FROM effect ORDER BY what COLLATE \"C\"")); diff != "" {
		t.Errorf("effects (-want +got):\n%s", diff)
	}
}

// A stop does not wait for all that is in hand: what is begun is committed, the
// rest is handed back.
func TestAnInboxStopsWithWhatItHasBegun(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		ctx, stop := context.WithCancel(t.Context())
		in := handling(t, db, func(ctx context.Context, e sold) error {
			stop()
			return note(ctx, db, e.Number)
		})
		in.Lanes = 1
		batch := sales(2 * setMost)
		if err := in.Receive(ctx, batch); !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v", err)
		}
		if done := column(t, db, "SELECT what FROM effect"); len(done) != 1 {
			t.Errorf("%d were handled after the stop", len(done)-1)
		}
		if err := in.Receive(t.Context(), batch); err != nil {
			t.Error(err)
		}
		if done := column(t, db, "SELECT what FROM effect"); len(done) != len(batch) {
			t.Errorf("%d of %d were handled in the end", len(done), len(batch))
		}
	})
}

// In one process a relay waits for the inboxes that it publishes to: their graces
// must not add up.
func TestARelayAndItsInboxStopSoonWithoutTheirDatabase(t *testing.T) {
	server := testenv.StartPostgres(t)
	db := open(t, server.URL())
	in, begun, frozen := handlingInTheMiddle(t, db)
	var direct event.Direct
	o := New(db, "test", quiet)
	fill(t, o, 2*relayBatch)
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for _, run := range []func(context.Context) error{direct.Subscribe(in.Subscription()), in.Run, NewRelay(o, &direct).Run} {
		all.Go(func() {
			if err := run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	<-begun
	server.Freeze()
	close(frozen)
	since := time.Now()
	stop()
	all.Wait()
	took := time.Since(since)
	server.Thaw()
	if took >= inboxGrace+relayGrace {
		t.Errorf("they stopped after %s", took)
	}
}
