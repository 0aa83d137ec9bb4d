package outbox

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
)

const many = 100_000

// errUndo undoes a statement that was only to be looked at.
var errUndo = errors.New("it was a trial")

// statement is one of the package's, with what it is handed.
type statement struct {
	text  string // with a %s for the table
	table []database.Column
	args  []any
	index string // that SQLite is to use
}

// statements work on a few rows, whatever else is in the tables.
func statements(db *database.DB) map[string]statement {
	var chat, none, ids, keys []string
	var numbers []int64
	for n := range int64(200) {
		chat, none, ids, keys = append(chat, "chat"), append(none, ""), append(ids, fmt.Sprint("w", n)), append(keys, fmt.Sprint("P", n))
		numbers = append(numbers, n)
	}
	column := func(name string, values any) database.Column { return database.Column{Name: name, Values: values} }
	named := []database.Column{column("consumer", chat), column("source", none), column("id", ids)}
	now, old := database.Instant(time.Now()), database.Instant(time.Now().Add(-time.Hour))
	key := "(consumer=? AND source=? AND id=?)"
	return map[string]statement{
		"what is due": {text: nextDue + "%.0s", args: []any{"chat", now, now, redoBatch}, index: "inbox_parked_due (consumer=? AND state=? AND due_at<?)"},
		"claim": {
			text: claiming, index: "sqlite_autoindex_inbox_parked_1 " + key,
			table: append(named, column("state", none), column("attempts", numbers)),
		},
		"unpark": {text: unparking, table: named, index: "sqlite_autoindex_inbox_parked_1 " + key},
		"forget": {text: forgetting, table: named, index: "sqlite_autoindex_inbox_event_1 " + key},
		"hurry": {
			text: hurrying, args: []any{"chat", now}, index: "inbox_parked_place (consumer=? AND source=? AND partition_key=? AND sequence=?)",
			table: []database.Column{column("source", none), column("partition_key", keys), column("sequence", numbers)},
		},
		"what waits": {
			text: waitingFor, args: []any{"chat"}, index: "inbox_parked_place (consumer=? AND source=? AND partition_key=? AND sequence>? AND sequence<?)",
			table: []database.Column{column("source", none), column("partition_key", keys), column("beyond", numbers), column("upto", numbers)},
		},
		"clean up": {
			text: fmt.Sprintf(aging, "inbox_event", "consumer, source, id", db.Dialect.SkipLocked()) + "%.0s",
			args: []any{old, "chat", cleanupChunk}, index: "inbox_event_age (arrived_at<?)",
		},
	}
}

// fillTables has 100,000 of everything, and some more that wait.
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

// However much is in the tables, and whether the database has looked at them or
// not: a statement reads only what it is about.
func TestNoStatementReadsAWholeTable(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
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
				const most = 1500 // pages, of some 5,000: an index is looked into for each of 200
				if pages := pagesIn(plan); pages > most {
					t.Errorf("%s, analyzed %t: it reads %d pages\n%s", name, known, pages, plan)
				}
			}
		}
	})
}

// plan is what the database says that it does.
func (s statement) plan(t *testing.T, db *database.DB) string {
	t.Helper()
	text, args, err := db.Dialect.Table("t", len(s.args)+1, s.table...)
	if err != nil {
		t.Fatal(err)
	}
	if s.table == nil {
		args = nil
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

// pagesIn is how many pages PostgreSQL has looked at.
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
