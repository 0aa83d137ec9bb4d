package chaos

import (
	"database/sql"
	"fmt"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
)

// ledger is what both databases hold when all is quiet.
type ledger struct {
	published, handled, lost, doubled, disordered int
	unsent, parked, policies                      int
}

func (l ledger) String() string {
	return fmt.Sprintf("policies %d, published %d, handled %d, lost %d, doubled %d, out of order %d, not sent %d, parked %d",
		l.policies, l.published, l.handled, l.lost, l.doubled, l.disordered, l.unsent, l.parked)
}

// whole reports whether nothing is missing, and nothing there that should not be.
func (l ledger) whole() bool {
	return l.handled == l.published && l.lost == 0 && l.doubled == 0 && l.disordered == 0 && l.unsent == 0 && l.parked == 0
}

// count compares the events that policy has recorded with what payments has
// booked, event by event.
func count(t *testing.T, policyDB, paymentsDB string) ledger {
	t.Helper()
	var l ledger
	recorded := make(map[string]bool)
	query(t, policyDB, "SELECT id, state FROM outbox_event", func(scan func(...any) error) error {
		var id, state string
		if err := scan(&id, &state); err != nil {
			return err
		}
		recorded[id] = true
		l.published++
		if state != "sent" {
			l.unsent++
		}
		return nil
	})
	query(t, policyDB, "SELECT count(*) FROM policy", func(scan func(...any) error) error { return scan(&l.policies) })
	booked := make(map[string]int)
	first := make(map[string]string) // of a policy, the kind of its first movement
	query(t, paymentsDB, "SELECT event_id, policy_number, kind FROM movement ORDER BY policy_number, position",
		func(scan func(...any) error) error {
			var id, number, kind string
			if err := scan(&id, &number, &kind); err != nil {
				return err
			}
			booked[id]++
			if first[number] == "" {
				first[number] = kind
			}
			return nil
		})
	for id := range recorded {
		if booked[id] == 0 {
			l.lost++
		}
	}
	for _, n := range booked {
		l.handled += n
		l.doubled += n - 1
	}
	for _, kind := range first {
		if kind != "opened" {
			l.disordered++
		}
	}
	query(t, paymentsDB, "SELECT count(*) FROM inbox_parked", func(scan func(...any) error) error { return scan(&l.parked) })
	return l
}

func query(t *testing.T, url, text string, row func(scan func(...any) error) error) {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			t.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

// one is the number that a query answers.
func one(t *testing.T, url, text string) (n int) {
	t.Helper()
	query(t, url, text, func(scan func(...any) error) error { return scan(&n) })
	return n
}

// execute tells how many rows a statement changed.
func execute(t *testing.T, url, text string) int64 {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	result, err := db.ExecContext(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		t.Fatal(err)
	}
	return n
}
