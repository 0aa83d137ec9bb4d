package rabbit_test

import (
	"cmp"
	"errors"
	"strings"
	"testing"

	"parley.internal/pkg/event/eventtest"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/testenv"
)

// validate returns the error of a configuration.
func validate(cfg rabbit.Config) error {
	_, err := rabbit.NewPublisher(cfg)
	return err
}

func TestInvalidURLErrorHidesPassword(t *testing.T) {
	for _, url := range []string{
		"http://me:secret@host", "amqp://me:secret@host:port", "amqp://me:secret@host:0", "amqp://me:secret@host:65536",
	} {
		if err := validate(rabbit.Config{URLs: url}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("URL %s: got error %v, want an error without the password", url, err)
		}
	}
}

func TestURLsAreCommaSeparated(t *testing.T) {
	for urls, want := range map[string]error{"": rabbit.ErrNoBroker, " , ": rabbit.ErrNoBroker, "amqp://a, amqp://b,": nil} {
		if err := validate(rabbit.Config{URLs: urls}); !errors.Is(err, want) {
			t.Errorf("URLs %q: got error %v, want %v", urls, err, want)
		}
	}
}

// AMQP has 16 bits for the prefetch, and 0 would mean no limit.
func TestPrefetchIsInRange(t *testing.T) {
	for prefetch, valid := range map[int]bool{-1: false, 0: true, 1: true, 65535: true, 65536: false} {
		err := validate(rabbit.Config{URLs: "amqp://localhost", Prefetch: prefetch})
		if (err == nil) != valid || !valid && !strings.Contains(err.Error(), "65535") {
			t.Errorf("prefetch %d: got error %v, want valid %v", prefetch, err, valid)
		}
	}
}

func TestConfigIsValidatedWithoutBroker(t *testing.T) {
	longest := strings.Repeat("x", 255-len("-listeners"))
	for _, urls := range []string{"", "amqp://localhost"} {
		for want, cfg := range map[string]rabbit.Config{
			"lazy": {QueueType: "lazy"},
			"245":  {Exchange: longest + "x"},
			"amq.": {Exchange: "amq.topic"},
			"line": {Exchange: "one\ntwo"},
			"port": {URLs: "amqp://localhost:65536"},
		} {
			cfg.URLs = cmp.Or(cfg.URLs, urls)
			if err := validate(cfg); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: got error %v, want %s", cfg, err, want)
			}
		}
		err := validate(rabbit.Config{URLs: urls, Exchange: longest, QueueType: "quorum"})
		if err != nil && !errors.Is(err, rabbit.ErrNoBroker) {
			t.Error(err)
		}
	}
}

func TestInvalidQueueNameIsRejected(t *testing.T) {
	for _, name := range []string{
		"Created", "-Created", "lab-payments-service-", "lab payments-Created", "lab-payments-service-Created!", "lab-*", "a-b;c", "amq.gen-Created",
	} {
		for _, urls := range []string{"", "amqp://localhost"} {
			err := validate(rabbit.Config{URLs: urls, Queues: "lab-chat-service-Created, " + name})
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("queue %q: got error %v", name, err)
			}
		}
	}
	if err := validate(rabbit.Config{URLs: "amqp://a", Queues: " lab-chat-service-Created , ,x-Y"}); err != nil {
		t.Error(err)
	}
}

func TestBrokerAcceptsLongestNames(t *testing.T) {
	tr := start(t, rabbit.Config{
		URLs: testenv.RabbitMQ(t), Exchange: strings.Repeat("x", 255-len("-listeners")),
		Queues: strings.Repeat("x", 181) + "-T" + strings.Repeat("x", 60),
	})
	in, _ := subscribe(t, tr, "one", "Created")
	publish(t, tr, eventtest.Message("Created"))
	in.next(t)
}
