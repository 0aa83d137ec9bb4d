package inbox_test

import (
	"testing"
	"time"

	"parley.internal/pkg/database/databasetest"
)

func TestServicesMayUseEqualIDs(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newReceiver(t, url(t))
		in.receive(from("policy", nth(1)), from("policy", nth(2)))
		// Another service uses the same partition keys, and numbers as ids.
		in.receive(from("payment", nth(2)), from("payment", nth(2)))
		in.want(t, "1", "2")
		in.wantParked(t, "2 waiting")
		in.receive(from("payment", nth(1)))
		in.want(t, "1", "2", "1", "2")
		in.failures["3"] = []error{errTransient, errTransient}
		in.receive(from("payment", nth(3)))
		in.receive(from("policy", nth(3)), from("policy", nth(4)))
		in.want(t, "1", "2", "1", "2", "3", "4")
		in.wantParked(t, "3 retry")
		in.processAfter(time.Hour)
		in.want(t, "1", "2", "1", "2", "3", "4", "3")
	})
}
