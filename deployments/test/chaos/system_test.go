package chaos

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"parley.internal/pkg/testenv"
	"parley.internal/portal/portaltest"
)

const (
	betweenFaults = time.Second
	drainTimeout  = 2 * time.Minute // for all events to be handled after the last fault
	startTimeout  = 20 * time.Second
)

// system is the system under test: two policyd on one database, two paymentsd
// on another, and brokers between them.
type system struct {
	t                     *testing.T
	broken                string
	round                 int // of faults, from 0
	brokers               []*testenv.Broker
	proxies               []*testenv.Proxy // one for each broker; the second of each program connects through them
	policyDB, paymentsDB  *testenv.PostgresServer
	publishers, consumers []*program
	load                  *load
	flow                  *flow
}

func open(t *testing.T, queues, broken string) *system {
	t.Helper()
	if !slices.Contains([]string{"classic", "quorum"}, queues) || !slices.Contains([]string{"", "inbox", "ack", "outbox"}, broken) {
		t.Fatalf("unknown value in -queues %q -break %q", queues, broken)
	}
	folder := build(t)
	s := &system{t: t, broken: broken, flow: &flow{}, policyDB: testenv.StartPostgres(t), paymentsDB: testenv.StartPostgres(t)}
	if queues == "quorum" {
		s.brokers = testenv.StartCluster(t, 3)
	} else {
		s.brokers = []*testenv.Broker{testenv.StartRabbitMQ(t)}
	}
	var direct, proxied []string
	for _, b := range s.brokers {
		address, err := url.Parse(b.URL())
		if err != nil {
			t.Fatal(err)
		}
		direct = append(direct, address.String())
		proxy := testenv.StartProxy(t, address.Host)
		s.proxies = append(s.proxies, proxy)
		address.Host = proxy.Addr()
		proxied = append(proxied, address.String())
	}
	s.load = newLoad(t)
	for _, brokers := range [][]string{direct, proxied} {
		s.start(folder, "RABBITMQ_URL="+strings.Join(brokers, ","), "EVENTS_QUEUE_TYPE="+queues)
	}
	return s
}

// start starts a consumer and a publisher that share a broker's URLs.
func (s *system) start(folder string, env ...string) {
	consumer := "paymentsd"
	if s.broken == "inbox" || s.broken == "ack" {
		consumer = "broken"
	}
	paymentsd := newProgram(s.t, filepath.Join(folder, consumer), s.flow, slices.Concat(env, []string{
		"PAYMENTS_DATABASE_URL=" + s.paymentsDB.URL(), "PAYMENTS_ADDR=" + unusedAddress(s.t), "PAYMENTS_BREAK=" + s.broken,
	})...)
	s.consumers = append(s.consumers, paymentsd)
	paymentsd.start()
	address := unusedAddress(s.t)
	policyd := newProgram(s.t, filepath.Join(folder, "policyd"), nil, slices.Concat(env, []string{
		"POLICY_DATABASE_URL=" + s.policyDB.URL(), "POLICY_ADDR=" + address, "AUTH_SECRET=" + secret,
	})...)
	s.publishers = append(s.publishers, policyd)
	policyd.start()
	s.load.add("http://" + address)
}

// wait waits for a duration, or until the test ends.
func (s *system) wait(d time.Duration) {
	select {
	case <-time.After(d):
	case <-s.t.Context().Done():
	}
}

// dropPending marks pending events as published: a service without an outbox
// loses them when it dies. The rows stay for the comparison: their time of
// publishing is now, because the relay purges old rows.
func (s *system) dropPending() {
	execute(s.t, s.policyDB.URL(), fmt.Sprintf(
		"UPDATE outbox_event SET state = 'sent', sent_at = %d WHERE state = 'pending'", time.Now().UnixMicro()))
}

// drain waits until all events are handled, or no event was handled for a while.
func (s *system) drain(events int) {
	s.t.Helper()
	quiet := 45 * time.Second // A parked event waits 30 s for its predecessor.
	if s.broken != "" {
		quiet = 10 * time.Second
	}
	last, changed := -1, time.Now()
	s.until("all events are handled", drainTimeout, func() bool {
		if n := s.flow.count(); n != last {
			last, changed = n, time.Now()
		}
		// Two more seconds, for duplicates.
		return time.Since(changed) > quiet || last >= events && time.Since(changed) > 2*time.Second
	})
}

// inject causes a fault, waits until events are handled again, and prints the
// times.
func (s *system) inject(n int, f fault) {
	s.t.Helper()
	begun := time.Now()
	proof := f.inject(s)
	undone := time.Now()
	before := s.flow.count()
	s.until("events are handled after "+f.name, drainTimeout, func() bool { return s.flow.count() > before })
	recovered := time.Since(undone)
	s.wait(betweenFaults)
	fmt.Fprintf(s.t.Output(), "%3d  %-40s longest pause %6.2fs; undone after %5.2fs, next event after %5.2fs  %s\n", n+1, f.name,
		s.flow.longestPause(begun, time.Now()).Seconds(), undone.Sub(begun).Seconds(), recovered.Seconds(), proof)
}

// until waits for a condition, and fails the test with the programs' logs if the
// wait takes too long.
func (s *system) until(condition string, timeout time.Duration, holds func() bool) (took time.Duration) {
	s.t.Helper()
	begun := time.Now()
	for !holds() {
		if time.Since(begun) > timeout {
			s.logPrograms()
			s.t.Fatalf("not within %s: %s; %d policies terminated, %s", timeout, condition, s.load.terminated(), s.flow)
		}
		portaltest.Pause(s.t.Context())
	}
	return time.Since(begun)
}

// logPrograms logs the last warnings and errors of all programs.
func (s *system) logPrograms() {
	s.t.Helper()
	for _, p := range slices.Concat(s.publishers, s.consumers) {
		s.t.Logf("%s:\n%s", p.path, p.log())
	}
}
