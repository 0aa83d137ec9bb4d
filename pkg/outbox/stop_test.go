package outbox_test

import (
	"context"
	"testing"
	"time"

	"parley.internal/pkg/event"
	"parley.internal/pkg/outbox"
	"parley.internal/pkg/testenv"
)

// A relay that cannot settle published events still stops soon: unsettled events are
// published again.
func TestRelayStopsSoonWithoutDatabase(t *testing.T) {
	server := testenv.StartPostgres(t)
	db := open(t, server.URL())
	o := outbox.New(db, "test", quiet)
	published, frozen := make(chan struct{}), make(chan struct{})
	r := outbox.NewRelay(o, publisher(func(event.Message) error {
		published <- struct{}{}
		<-frozen
		return nil
	}))
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- r.Run(ctx) }()
	write(t, db, o, "P", nil, "sold")
	<-published
	server.Freeze()
	close(frozen)
	begun := time.Now()
	stop()
	err := <-stopped
	server.Thaw()
	if took := time.Since(begun); err != nil || took > stopTimeout+2*time.Second {
		t.Errorf("the relay stopped after %s, error %v", took, err)
	}
}
