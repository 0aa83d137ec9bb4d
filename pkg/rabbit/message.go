package rabbit

import (
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"parley.internal/pkg/event"
)

// The headers of a message: CloudEvents 1.0 in the binary mode of its AMQP
// binding, with the extensions partitionkey and sequence, and W3C trace
// context. What AMQP has a property for is in that property as well.
const (
	headerSpec      = "cloudEvents:specversion"
	headerID        = "cloudEvents:id"
	headerType      = "cloudEvents:type"
	headerSource    = "cloudEvents:source"
	headerTime      = "cloudEvents:time"
	headerPartition = "cloudEvents:partitionkey"
	headerSequence  = "cloudEvents:sequence"
	headerTrace     = "traceparent"

	contentType = "application/json"
	specVersion = "1.0"
)

func publishing(m event.Message) amqp.Publishing {
	headers := amqp.Table{
		headerSpec: specVersion, headerID: m.ID, headerType: m.Type, headerSource: m.Source,
		headerTime: m.Time.UTC().Format(time.RFC3339Nano),
	}
	if m.Ordered() {
		headers[headerPartition] = m.PartitionKey
		headers[headerSequence] = strconv.FormatInt(m.Sequence, 10)
	}
	if m.TraceParent != "" {
		headers[headerTrace] = m.TraceParent
	}
	return amqp.Publishing{
		MessageId: m.ID, Type: m.Type, AppId: m.Source, Timestamp: m.Time, ContentType: contentType,
		DeliveryMode: amqp.Persistent, Headers: headers, Body: m.Data,
	}
}

// lastYear is the last one that RFC 3339 can write.
const lastYear = 9999

// received is the message in a delivery. Its type is its queue's: a foreign
// publisher may leave it out, or spell it in lower case.
func received(d amqp.Delivery, eventType string) event.Message {
	m := event.Message{
		ID: d.MessageId, Type: eventType, Source: d.AppId, Time: d.Timestamp.UTC(),
		PartitionKey: text(d.Headers[headerPartition]), Sequence: number(d.Headers[headerSequence]),
		TraceParent: text(d.Headers[headerTrace]), Data: d.Body,
	}
	if m.ID == "" {
		m.ID = text(d.Headers[headerID])
	}
	if m.Source == "" {
		m.Source = text(d.Headers[headerSource])
	}
	// A property holds seconds only.
	if at, err := time.Parse(time.RFC3339Nano, text(d.Headers[headerTime])); err == nil {
		m.Time = at.UTC()
	}
	if m.Time.Year() > lastYear { // Milliseconds, where the protocol has seconds.
		m.Time = time.UnixMilli(m.Time.Unix()).UTC()
	}
	if m.Time.Year() > lastYear || m.Time.Year() < 1 {
		m.Time = time.Time{}
	}
	return m
}

func text(header any) string {
	s, _ := header.(string)
	return s
}

// number is a header that a client of any language may have sent as a text or
// as an integer of any size.
func number(header any) int64 {
	switch n := header.(type) {
	case string:
		i, err := strconv.ParseInt(n, 10, 64)
		if err != nil {
			return 0 // It has no order.
		}
		return i
	case int64:
		return n
	case int32:
		return int64(n)
	case int16:
		return int64(n)
	case int8:
		return int64(n)
	case uint8:
		return int64(n)
	case uint16:
		return int64(n)
	case uint32:
		return int64(n)
	default:
		return 0
	}
}
