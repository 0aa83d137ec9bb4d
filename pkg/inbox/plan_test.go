package inbox

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/database/databasetest"
	"parley.internal/pkg/inbox/order"
)

const many = 100_000

// errUndo rolls back a statement after its plan was read.
var errUndo = errors.New("rolled back on purpose")

// statement is a statement of the package, with arguments.
type statement struct {
	text  string // with a %s for the table
	table []database.Column
	args  []any
	index string // expected on SQLite
}

// statements work on few rows of large tables.
func statements(db *database.DB) map[string]statement {
	var chat, none, ids, keys []string
	var numbers []int64
	for n := range int64(200) {
		chat, none, ids, keys = append(chat, "chat"), append(none, ""), append(ids, fmt.Sprint("w", n)), append(keys, fmt.Sprint("P", n))
		numbers = append(numbers, n)
	}
	column := func(name string, values any) database.Column { return database.Column{Name: name, Values: values} }
	var ranges []order.Range
	for n, key := range keys {
		ranges = append(ranges, order.Range{Key: order.Key{PartitionKey: key}, After: numbers[n], UpTo: numbers[n] + 1})
	}
	named := []database.Column{column("consumer", chat), column("source", none), column("id", ids)}
	now, old := database.Instant(time.Now()), database.Instant(time.Now().Add(-time.Hour))
	key := "(consumer=? AND source=? AND id=?)"
	return map[string]statement{
		"due events": {text: selectDue + "%.0s", args: []any{"chat", now, now, dueEvents}, index: "inbox_parked_due (consumer=? AND state=? AND due_at<?)"},
		"claim": {
			text: selectClaimed, index: "sqlite_autoindex_inbox_parked_1 " + key,
			table: append(named, column("state", none), column("attempts", numbers)),
		},
		"unpark":     {text: deleteParked, table: named, index: "sqlite_autoindex_inbox_parked_1 " + key},
		"delete ids": {text: deleteIDsStatement, table: named, index: "sqlite_autoindex_inbox_event_1 " + key},
		"make due": {
			text: makeDueStatement, args: []any{"chat", now},
			index: "inbox_parked_partition (consumer=? AND source=? AND partition_key=? AND sequence>? AND sequence<?)",
			table: rangeColumns(ranges),
		},
		"waiting events": {
			text: selectWaiting, args: []any{"chat"},
			index: "inbox_parked_partition (consumer=? AND source=? AND partition_key=? AND sequence>? AND sequence<?)",
			table: rangeColumns(ranges),
		},
		"clean up": {
			text: fmt.Sprintf(expiredIDs, db.Dialect.SkipLocked()) + "%.0s",
			args: []any{old, "chat", cleanupChunk}, index: "inbox_event_age (arrived_at<?)",
		},
	}
}

// fillTables inserts 100,000 rows into each table, and some waiting events.
func fillTables(t *testing.T, db *database.DB) {
	t.Helper()
	now := database.Instant(time.Now())
	for _, fill := range []string{
		"INSERT INTO inbox_event (consumer, source, id, arrived_at) SELECT 'chat', '', 'e' || n, $1 FROM %s",
		`INSERT INTO inbox_parked (consumer, source, id, state, type, recorded_at, partition_key, sequence, traceparent, data,
			attempts, due_at, error, reason, arrived_at)
		SELECT 'chat', '', 'd' || n, 'dead', 'Sold', $1, 'P' || n, 3, '', 'x', 1, $1, 'e', 'e', $1 FROM %s`,
		`INSERT INTO inbox_parked (consumer, source, id, state, type, recorded_at, partition_key, sequence, traceparent, data,
			attempts, due_at, error, reason, arrived_at)
		SELECT 'chat', '', 'w' || n, 'waiting', 'Sold', $1, 'W' || n, 3, '', 'x', 0, 4000000000000000, '', '', $1 FROM %s WHERE n % 5 = 0`,
	} {
		numbers := fmt.Sprintf("(WITH RECURSIVE g (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < %d) SELECT n FROM g) AS g", many)
		if _, err := db.Exec(t.Context(), strings.Replace(fill, "%s", numbers, 1), now); err != nil {
			t.Fatal(err)
		}
	}
}

// Each statement reads few pages of large tables, with and without statistics.
func TestNoStatementReadsWholeTable(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := newProcess(t, url(t)).db
		fillTables(t, db)
		for _, known := range []bool{false, true} {
			if known {
				if _, err := db.Exec(t.Context(), "ANALYZE"); err != nil {
					t.Fatal(err)
				}
			}
			for name, s := range statements(db) {
				plan := s.plan(t, db)
				if db.Dialect == database.SQLite && !strings.Contains(plan, s.index) {
					t.Errorf("%s, analyzed %t: want index %s, got\n%s", name, known, s.index, plan)
				}
				const most = 1500 // pages of some 5,000: an index is searched for each of 200 keys
				if pages := pagesIn(plan); pages > most {
					t.Errorf("%s, analyzed %t: got %d pages\n%s", name, known, pages, plan)
				}
			}
		}
	})
}

// plan returns the query plan of the statement.
func (s statement) plan(t *testing.T, db *database.DB) string {
	t.Helper()
	var text string
	var args []any
	var err error
	if len(s.table) > 0 {
		if text, args, err = db.Dialect.Table("t", len(s.args)+1, s.table...); err != nil {
			t.Fatal(err)
		}
	}
	var lines []string
	err = db.InTx(t.Context(), func(tx *database.Tx) error {
		explain := "EXPLAIN (ANALYZE, BUFFERS) "
		line := func(scan func(...any) error) (l string, err error) { return l, scan(&l) }
		if db.Dialect == database.SQLite {
			explain = "EXPLAIN QUERY PLAN "
			line = func(scan func(...any) error) (l string, err error) {
				var none int
				return l, scan(&none, &none, &none, &l)
			}
		}
		lines, err = database.All(t.Context(), tx, line, explain+fmt.Sprintf(s.text, text), append(s.args, args...)...)
		return errors.Join(err, errUndo)
	})
	if len(lines) == 0 {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

var readPages = regexp.MustCompile(`Buffers: shared (?:hit=(\d+) ?)?(?:read=(\d+))?`)

// pagesIn returns the number of pages that PostgreSQL has read.
func pagesIn(plan string) (pages int) {
	found := readPages.FindStringSubmatch(plan)
	if found == nil {
		return 0
	}
	for _, n := range found[1:] {
		if n, err := strconv.Atoi(n); err == nil {
			pages += n
		}
	}
	return pages
}
