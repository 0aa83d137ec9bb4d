package rabbit_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	amqp "github.com/rabbitmq/amqp091-go"

	"parley.internal/pkg/event"
	"parley.internal/pkg/event/eventtest"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/testenv"
)

func TestTopologyHasFixedNames(t *testing.T) {
	url := testenv.RabbitMQ(t)
	tr := start(t, rabbit.Config{URLs: url})
	in, _ := subscribe(t, tr, "lab-chat-service", "PolicyCreated")
	publish(t, tr, eventtest.Message("PolicyCreated"))
	in.next(t)

	// The original services declare the same names: RabbitMQ rejects any difference in the
	// arguments.
	ch := testenv.Channel(t, url)
	if err := ch.ExchangeDeclare("lab-dotnet-micro", "topic", true, false, false, false, nil); err != nil {
		t.Error(err)
	}
	if _, err := ch.QueueDeclare("lab-chat-service-PolicyCreated", true, false, false, false, nil); err != nil {
		t.Error(err)
	}
	if err := ch.QueueUnbind("lab-chat-service-PolicyCreated", "PolicyCreated", "lab-dotnet-micro", nil); err != nil {
		t.Error(err)
	}
}

func TestOtherClientReadsMessage(t *testing.T) {
	url := testenv.RabbitMQ(t)
	tr := start(t, rabbit.Config{URLs: url})
	m := eventtest.Message("PolicyCreated")
	ch := testenv.Channel(t, url)
	if err := ch.ExchangeDeclare("lab-dotnet-micro", "topic", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	tap, err := ch.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.QueueBind(tap.Name, "#", "lab-dotnet-micro", false, nil); err != nil {
		t.Fatal(err)
	}
	deliveries, err := ch.Consume(tap.Name, "", true, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	publish(t, tr, m)
	d := <-deliveries
	got := map[string]any{
		"key": d.RoutingKey, "mode": d.DeliveryMode, "id": d.MessageId, "type": d.Type, "content": d.ContentType,
		"app": d.AppId, "time": d.Timestamp.Unix(), "body": string(d.Body), "headers": d.Headers,
	}
	want := map[string]any{
		"key": "PolicyCreated", "mode": amqp.Persistent, "id": m.ID, "type": "PolicyCreated", "content": "application/json",
		"app": m.Source, "time": m.Time.Unix(), "body": string(m.Data), "headers": amqp.Table{
			"cloudEvents:specversion": "1.0", "cloudEvents:id": m.ID, "cloudEvents:type": "PolicyCreated",
			"cloudEvents:source": m.Source, "cloudEvents:time": m.Time.Format(time.RFC3339Nano),
			"cloudEvents:partitionkey": "P-1", "cloudEvents:sequence": "7", "traceparent": m.TraceParent,
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMessageOfOtherServiceIsDecoded(t *testing.T) {
	url := testenv.RabbitMQ(t)
	tr := start(t, rabbit.Config{URLs: url})
	in, _ := subscribe(t, tr, "lab-chat-service", "ProductActivated")
	publish(t, tr, eventtest.Message("ProductActivated")) // declares the queue
	in.next(t)
	ch := testenv.Channel(t, url)
	at := time.Now().UTC().Truncate(time.Second)
	tests := map[string]struct {
		key  string
		sent amqp.Publishing
		want event.Message
	}{
		"no properties":   {key: "ProductActivated", want: event.Message{Type: "ProductActivated"}},
		"lower-case key":  {key: "productactivated", want: event.Message{Type: "ProductActivated"}},
		"type of another": {key: "productactivated", sent: amqp.Publishing{Type: "Some.Namespace.ProductActivated"}, want: event.Message{Type: "ProductActivated"}},
		"properties": {
			key: "ProductActivated", sent: amqp.Publishing{MessageId: "7", AppId: "erp", Timestamp: at},
			want: event.Message{ID: "7", Type: "ProductActivated", Source: "erp", Time: at},
		},
		"CloudEvents alone": {
			key: "ProductActivated", sent: amqp.Publishing{Headers: amqp.Table{
				"cloudEvents:id": "8", "cloudEvents:source": "/erp", "cloudEvents:time": at.Format(time.RFC3339),
			}},
			want: event.Message{ID: "8", Type: "ProductActivated", Source: "/erp", Time: at},
		},
		"integer sequence": {
			key: "ProductActivated", sent: amqp.Publishing{Headers: amqp.Table{
				"cloudEvents:partitionkey": "P", "cloudEvents:sequence": int32(3),
			}},
			want: event.Message{Type: "ProductActivated", PartitionKey: "P", Sequence: 3},
		},
		"invalid headers": {
			key: "ProductActivated", sent: amqp.Publishing{Headers: amqp.Table{
				"cloudEvents:partitionkey": 7, "cloudEvents:sequence": "first", "cloudEvents:time": "noon",
			}},
			want: event.Message{Type: "ProductActivated"},
		},
		"boolean sequence": {
			key: "ProductActivated", sent: amqp.Publishing{Headers: amqp.Table{"cloudEvents:sequence": true}},
			want: event.Message{Type: "ProductActivated"},
		},
		"sequence beyond 64 bits": {
			key: "ProductActivated", sent: amqp.Publishing{Headers: amqp.Table{"cloudEvents:sequence": "99999999999999999999999999"}},
			want: event.Message{Type: "ProductActivated"},
		},
		"time in milliseconds": {
			key: "ProductActivated", sent: amqp.Publishing{Timestamp: time.Unix(at.UnixMilli(), 0)},
			want: event.Message{Type: "ProductActivated", Time: at},
		},
		"time out of range": {
			key: "ProductActivated", sent: amqp.Publishing{Timestamp: time.Unix(1<<60, 0)},
			want: event.Message{Type: "ProductActivated"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.sent.Body = []byte(`{"productCode":"PET"}`)
			if err := ch.Publish("lab-dotnet-micro", tt.key, false, false, tt.sent); err != nil {
				t.Fatal(err)
			}
			tt.want.Data = tt.sent.Body
			m := in.next(t)
			if diff := cmp.Diff(tt.want, m); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// No restart is needed after an operator has corrected the topology.
func TestTopologyMismatchIsReportedUntilCorrected(t *testing.T) {
	url := testenv.RabbitMQ(t)
	ch := testenv.Channel(t, url)
	if err := ch.ExchangeDeclare("lab-dotnet-micro", "topic", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := ch.QueueDeclare("lab-chat-service-Created", true, false, false, false, amqp.Table{"x-max-length": 1}); err != nil {
		t.Fatal(err)
	}
	var log logBuffer
	tr := start(t, rabbit.Config{URLs: url, Log: slog.New(slog.NewTextHandler(&log, nil))})
	in, _ := subscribe(t, tr, "lab-chat-service", "Created")
	for _, text := range []string{"queue lab-chat-service-Created", "x-max-length", "delete it on the broker"} {
		tr.awaitDegraded(t, text)
	}
	if _, err := ch.QueueDelete("lab-chat-service-Created", false, false, false); err != nil {
		t.Fatal(err)
	}
	m := eventtest.Message("Created")
	publish(t, tr, m)
	in.expect(t, m)
	if n := log.count(`msg="broker topology mismatch"`); n != 1 {
		t.Errorf("the mismatch was logged %d times, want 1", n)
	}
	if len(tr.Degraded()) > 0 {
		t.Errorf("got problems %v, want none", tr.Degraded())
	}
}
