// Package rabbit carries events over RabbitMQ: a durable topic exchange, and a durable queue for
// each event type of a service. A [Publisher] publishes with confirms, a [Consumer] delivers the
// queues of a subscription, and a [Listener] delivers hints without any guarantee.
//
// Guarantees: a message with the result nil from [Publisher.Publish] is on disk in every queue
// bound to its type. A delivery is acknowledged only after its receiver returned nil. After a
// connection loss, publishers and consumers reconnect with exponential backoff and jitter, without
// giving up, and declare the topology again.
package rabbit
