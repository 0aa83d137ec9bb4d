package chaos

import (
	"database/sql"
	"fmt"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
)

// result counts the differences between the database of policy and the database
// of payments after all events were handled.
type result struct {
	published, handled, lost, duplicated, outOfOrder int
	unpublished, parked, policies                    int
}

func (r result) String() string {
	return fmt.Sprintf("policies %d, published %d, handled %d, lost %d, duplicated %d, out of order %d, unpublished %d, parked %d",
		r.policies, r.published, r.handled, r.lost, r.duplicated, r.outOfOrder, r.unpublished, r.parked)
}

// complete reports whether each event was handled once and in order.
func (r result) complete() bool {
	return r.handled == r.published && r.lost == 0 && r.duplicated == 0 && r.outOfOrder == 0 && r.unpublished == 0 && r.parked == 0
}

// compare matches the events in policy's outbox with the movements of payments,
// event by event.
func compare(t *testing.T, policyDB, paymentsDB string) result {
	t.Helper()
	var r result
	recorded := make(map[string]bool)
	query(t, policyDB, "SELECT id, state FROM outbox_event", func(scan func(...any) error) error {
		var id, state string
		if err := scan(&id, &state); err != nil {
			return err
		}
		recorded[id] = true
		r.published++
		if state != "sent" {
			r.unpublished++
		}
		return nil
	})
	query(t, policyDB, "SELECT count(*) FROM policy", func(scan func(...any) error) error { return scan(&r.policies) })
	booked := make(map[string]int)
	first := make(map[string]string) // kind of the first movement, by policy
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
			r.lost++
		}
	}
	for _, n := range booked {
		r.handled += n
		r.duplicated += n - 1
	}
	for _, kind := range first {
		if kind != "opened" {
			r.outOfOrder++
		}
	}
	query(t, paymentsDB, "SELECT count(*) FROM inbox_parked", func(scan func(...any) error) error { return scan(&r.parked) })
	return r
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

// one returns the number that a query selects.
func one(t *testing.T, url, text string) (n int) {
	t.Helper()
	query(t, url, text, func(scan func(...any) error) error { return scan(&n) })
	return n
}

// execute returns the number of rows that a statement changed.
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
