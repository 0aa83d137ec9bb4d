package rabbit

import (
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

func TestWhatForeignPublishersWriteIsReadWithSense(t *testing.T) {
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		sent, want time.Time
	}{
		"seconds":      {noon, noon},
		"milliseconds": {time.Unix(noon.UnixMilli(), 0), noon},
		"nonsense":     {time.Unix(1<<60, 0), time.Time{}},
		"none":         {time.Time{}, time.Time{}},
	} {
		if got := received(amqp.Delivery{Timestamp: tt.sent}, "Told").Time; !got.Equal(tt.want) {
			t.Errorf("%s: got %s, want %s", name, got, tt.want)
		}
	}
	for header, want := range map[any]int64{"7": 7, "99999999999999999999999999": 0, "x": 0, int32(3): 3, true: 0} {
		if got := number(header); got != want {
			t.Errorf("sequence %v is read as %d, want %d", header, got, want)
		}
	}
}
