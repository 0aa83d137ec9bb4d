package rabbit

import (
	"cmp"
	"reflect"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"parley.internal/pkg/event"
)

// Headers of a message: CloudEvents 1.0 in the binary mode of its AMQP binding, with the extensions
// partitionkey and sequence, and W3C trace context. Attributes with an AMQP property are in the
// property, too.
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

// encode converts a message to AMQP.
func encode(m event.Message) amqp.Publishing {
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

// lastYear is the last year of RFC 3339.
const lastYear = 9999

// decode converts a delivery. The type is the type of its queue: other publishers may omit the
// type, or write it in lower case.
func decode(d amqp.Delivery, eventType string) event.Message {
	m := event.Message{
		ID: cmp.Or(d.MessageId, text(d.Headers[headerID])), Type: eventType,
		Source: cmp.Or(d.AppId, text(d.Headers[headerSource])), Time: d.Timestamp.UTC(),
		PartitionKey: text(d.Headers[headerPartition]), Sequence: number(d.Headers[headerSequence]),
		TraceParent: text(d.Headers[headerTrace]), Data: d.Body,
	}
	// The timestamp property has seconds only.
	if at, err := time.Parse(time.RFC3339Nano, text(d.Headers[headerTime])); err == nil {
		m.Time = at.UTC()
	}
	if m.Time.Year() > lastYear { // The publisher wrote milliseconds instead of seconds.
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

// number decodes a header, which clients of other languages send as text or as an integer of any
// size; 0 if it is no number.
func number(header any) int64 {
	if s, ok := header.(string); ok {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return 0 // no order
		}
		return n
	}
	switch n := reflect.ValueOf(header); {
	case n.CanInt():
		return n.Int()
	case n.CanUint():
		return int64(n.Uint()) //nolint:gosec // AMQP has unsigned integers of up to 32 bits.
	default:
		return 0
	}
}
