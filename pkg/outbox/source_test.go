package outbox

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/database/databasetest"
	"parley.internal/pkg/event"
)

func from(source string, m event.Message) event.Message {
	m.Source = source
	return m
}

func TestServicesMayCountAlike(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newTold(t, url(t))
		in.receive(from("policy", nth(1)), from("policy", nth(2)))
		// Another service numbers by policy, too, and counts its ids.
		in.receive(from("payment", nth(2)), from("payment", nth(2)))
		in.want("1", "2")
		in.wantParked("2 waiting")
		in.receive(from("payment", nth(1)))
		in.want("1", "2", "1", "2")
		in.failures["3"] = []error{errWeather, errWeather}
		in.receive(from("payment", nth(3)))
		in.receive(from("policy", nth(3)), from("policy", nth(4)))
		in.want("1", "2", "1", "2", "3", "4")
		in.wantParked("3 retry")
		in.sweep(time.Hour)
		in.want("1", "2", "1", "2", "3", "4", "3")
	})
}

func TestWhatWasHandledBeforeSourcesWereToldApartStaysHandled(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := connect(t, url(t))
		first, err := fs.ReadFile(migrations, "migrations/00001_outbox.sql")
		if err != nil {
			t.Fatal(err)
		}
		if err := database.Migrate(t.Context(), db, "outbox", fstest.MapFS{"00001_outbox.sql": {Data: first}}); err != nil {
			t.Fatal(err)
		}
		for statement := range strings.SplitSeq(`
			INSERT INTO inbox_event VALUES ('chat', '1', 1), ('chat', '2', 1), ('chat', '4', 1), ('chat', 'x', 1), ('other', '5', 1);
			INSERT INTO inbox_partition VALUES ('chat', 'P', 2);
			INSERT INTO inbox_parked VALUES
				('chat', '4', 'waiting', 'Sold', 'policy', 1, 'P', 4, '', CAST('{"number":"4"}' AS bytea), 0, 9000000000000000, '', 1),
				('chat', 'x', 'dead', 'Sold', 'policy', 1, '', 0, '', CAST('{broken' AS bytea), 1, 0, 'decode Sold x: it is broken', 1)`, ";") {
			if db.Dialect == database.SQLite { // It would make a number of it.
				statement = strings.ReplaceAll(statement, "AS bytea", "AS blob")
			}
			if _, err := db.Exec(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		migrate(t, db)
		in := newToldIn(t, db)
		in.receive(from("policy", nth(1)), from("policy", nth(2)), from("policy", nth(4)))
		in.want()
		in.receive(from("policy", nth(3)), from("policy", nth(5)))
		in.want("3", "4", "5")
		in.wantParked("x dead")
		if err := in.cleanup(t.Context(), time.Now().Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
		if left := column(t, db, "SELECT id FROM inbox_event_unsourced"); len(left) != 1 {
			t.Errorf("%v are left of what chat was told long ago, want that of another consumer", left)
		}
		if reasons := column(t, db, "SELECT reason FROM inbox_parked"); reasons[0] != "decode Sold …: it is broken" {
			t.Errorf("the reason is %q", reasons)
		}
	})
}
