package rabbit

import (
	"log/slog"
	"strings"
)

// Settings are what an operator says of the broker, in words.
type Settings struct {
	URLs      string // amqp://…, several of one cluster comma-separated; "" for no broker
	Exchange  string // DefaultExchange by default
	QueueType string // classic, the default, or quorum
	Queues    string // <service>-<EventType>, comma-separated: Config.Queues
}

// Open is the transport that the settings describe, or nil if they name no
// broker.
func Open(s Settings, log *slog.Logger) (*Transport, error) {
	cfg := Config{
		URLs: list(s.URLs), Exchange: s.Exchange, QueueType: QueueType(s.QueueType), Queues: list(s.Queues), Log: log,
	}
	if len(cfg.URLs) == 0 {
		// What is wrong is told now, not on the day when there is a broker.
		_, err := configured(cfg)
		return nil, err
	}
	return New(cfg)
}

// list reads a comma-separated list.
func list(s string) (all []string) {
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			all = append(all, item)
		}
	}
	return all
}
