package rabbit_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	amqp "github.com/rabbitmq/amqp091-go"

	"parley.internal/pkg/event"
	"parley.internal/pkg/event/eventtest"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/testenv"
)

func TestTheTopologyIsAsItsNamesSay(t *testing.T) {
	url := testenv.RabbitMQ(t)
	r := transport(t, rabbit.Config{URLs: []string{url}})
	got, _ := subscribe(t, r, "lab-chat-service", "PolicyCreated")
	publish(t, r, eventtest.Message("PolicyCreated"))
	got.next(t)

	// Declaring it again with the same arguments, as the original's services
	// do, is refused if anything differs.
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

func TestAForeignClientReadsAMessage(t *testing.T) {
	url := testenv.RabbitMQ(t)
	r := transport(t, rabbit.Config{URLs: []string{url}})
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
	publish(t, r, m)
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

func TestAForeignMessageIsUnderstood(t *testing.T) {
	url := testenv.RabbitMQ(t)
	r := transport(t, rabbit.Config{URLs: []string{url}})
	got, _ := subscribe(t, r, "lab-chat-service", "ProductActivated")
	publish(t, r, eventtest.Message("ProductActivated")) // Now its queue is there.
	got.next(t)
	ch := testenv.Channel(t, url)
	at := time.Now().UTC().Truncate(time.Second)
	tests := map[string]struct {
		key  string
		send amqp.Publishing
		want event.Message
	}{
		"a bare body":       {key: "ProductActivated", want: event.Message{Type: "ProductActivated"}},
		"a lower-case key":  {key: "productactivated", want: event.Message{Type: "ProductActivated"}},
		"a type of its own": {key: "productactivated", send: amqp.Publishing{Type: "Some.Namespace.ProductActivated"}, want: event.Message{Type: "ProductActivated"}},
		"properties": {
			key: "ProductActivated", send: amqp.Publishing{MessageId: "7", AppId: "erp", Timestamp: at},
			want: event.Message{ID: "7", Type: "ProductActivated", Source: "erp", Time: at},
		},
		"CloudEvents alone": {
			key: "ProductActivated", send: amqp.Publishing{Headers: amqp.Table{
				"cloudEvents:id": "8", "cloudEvents:source": "/erp", "cloudEvents:time": at.Format(time.RFC3339),
			}},
			want: event.Message{ID: "8", Type: "ProductActivated", Source: "/erp", Time: at},
		},
		"a sequence of any integer": {
			key: "ProductActivated", send: amqp.Publishing{Headers: amqp.Table{
				"cloudEvents:partitionkey": "P", "cloudEvents:sequence": int32(3),
			}},
			want: event.Message{Type: "ProductActivated", PartitionKey: "P", Sequence: 3},
		},
		"headers that are nonsense": {
			key: "ProductActivated", send: amqp.Publishing{Headers: amqp.Table{
				"cloudEvents:partitionkey": 7, "cloudEvents:sequence": "first", "cloudEvents:time": "noon",
			}},
			want: event.Message{Type: "ProductActivated"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.send.Body = []byte(`{"productCode":"PET"}`)
			if err := ch.Publish("lab-dotnet-micro", tt.key, false, false, tt.send); err != nil {
				t.Fatal(err)
			}
			tt.want.Data = tt.send.Body
			m := got.next(t)
			if diff := cmp.Diff(tt.want, m); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A process that must be restarted after an operator has mended something is
// one more thing to know.
func TestAnotherTopologyIsExplainedUntilItIsMended(t *testing.T) {
	url := testenv.RabbitMQ(t)
	ch := testenv.Channel(t, url)
	if err := ch.ExchangeDeclare("lab-dotnet-micro", "topic", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := ch.QueueDeclare("lab-chat-service-Told", true, false, false, false, amqp.Table{"x-max-length": 1}); err != nil {
		t.Fatal(err)
	}
	var log lines
	r, err := rabbit.New(rabbit.Config{URLs: []string{url}, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	begin(t, r.Run)
	got, _ := subscribe(t, r, "lab-chat-service", "Told")
	explained := func() bool {
		problems := strings.Join(r.Degraded(), "; ")
		return strings.Contains(problems, "queue lab-chat-service-Told") && strings.Contains(problems, "x-max-length") &&
			strings.Contains(problems, "delete it there")
	}
	eventually(t, explained, func() any { return r.Degraded() })
	if _, err := ch.QueueDelete("lab-chat-service-Told", false, false, false); err != nil {
		t.Fatal(err)
	}
	m := eventtest.Message("Told")
	publish(t, r, m)
	if arrived := got.next(t); arrived.ID != m.ID {
		t.Errorf("%s arrived", arrived.ID)
	}
	if n := log.count(`msg="broker holds another topology"`); n != 1 {
		t.Errorf("it was explained %d times", n)
	}
	if len(r.Degraded()) > 0 {
		t.Errorf("then there is %v", r.Degraded())
	}
}
