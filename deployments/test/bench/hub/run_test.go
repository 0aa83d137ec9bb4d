package hub

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"parley.internal/bench/hub/load"
)

var (
	rounds  = flag.Int("rounds", 5, "number of rounds; each round measures every server once")
	scale   = flag.Float64("scale", 1, "factor for the work of a round; the documented results are of 1")
	hold    = flag.Duration("hold", 30*time.Second, "how long ten thousand connections are held; five minutes for the documented results")
	settle  = flag.Duration("settle", 5*time.Second, "pause before a server's memory is read")
	only    = flag.String("only", "", "names of the servers to measure, separated by /; empty: all")
	profile = flag.String("profile", "", "folder for profiles of Parley's server")
)

const (
	publishers      = 4
	inFlight        = 4
	deliveryTimeout = time.Minute
	quiet           = 0.05 // share of the machine that other processes may use without a warning
)

// small reports whether the run only tests the benchmark itself.
func small() bool { return testing.Short() }

// scaled returns the duration of a measurement.
func scaled(full time.Duration) time.Duration {
	if small() {
		return full / 20
	}
	return time.Duration(float64(full) * *scale)
}

// size returns the number of connections.
func size(full int) int {
	if small() {
		return 50
	}
	return full
}

// built holds the servers after the first call of each.
var (
	built programs
	once  sync.Once
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	if small() {
		*rounds, *settle, *hold = 1, 100*time.Millisecond, 200*time.Millisecond
	}
	folder, err := os.MkdirTemp("", "parley-bench-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(folder) }() // a temporary folder
	built = programs(folder)
	return m.Run()
}

// each measures the servers one after the other, in each round.
func each(t *testing.T, rounds int, servers []peer, measure func(t *testing.T, p peer)) {
	t.Helper()
	once.Do(func() {
		fmt.Fprintln(os.Stdout, machine(t))
		built.build(t)
	})
	some := chosen(servers)
	if len(some) == 0 {
		fmt.Fprintf(os.Stdout, "%s: -only names none of its servers\n", t.Name())
	}
	for round := range rounds {
		fmt.Fprintf(os.Stdout, "round %d\n", round+1)
		for _, p := range some {
			began, before := time.Now(), used(t)
			t.Run(p.name, func(t *testing.T) { measure(t, p) })
			if share := before.others(t, began); share > quiet && !small() {
				fmt.Fprintf(os.Stdout, "    other processes used %.0f %% of the machine meanwhile\n", 100*share)
			}
		}
	}
}

// trial is a server with its clients.
type trial struct {
	*testing.T

	server     *server
	client     *load.Client
	protocol   *load.Protocol
	publishers []*load.Publisher
}

func open(t *testing.T, p peer) *trial {
	t.Helper()
	s := &trial{T: t, server: built.start(t, p), protocol: p.protocol}
	client, err := load.New()
	must(t, err)
	s.client = client
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *trial) receivers(n int, narrow bool) []*load.Conn {
	s.Helper()
	conns, err := s.client.Receivers(s.Context(), s.server.addr, s.protocol, n, narrow)
	if err != nil {
		s.Fatalf("%v\n%s", err, s.server.logTail())
	}
	return conns
}

func (s *trial) publish() {
	s.Helper()
	var err error
	s.publishers, err = s.client.Publishers(s.Context(), s.server.addr, s.protocol, publishers, inFlight)
	must(s, err)
}

// flood sends as fast as slots become free.
func (s *trial) flood(within time.Duration, each uint64) {
	s.Helper()
	must(s, load.Flood(s.Context(), s.publishers, within, each))
}

// paced sends perSecond texts a second for a duration.
func (s *trial) paced(perSecond int, d time.Duration) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), d)
	defer cancel()
	must(s, load.Pace(ctx, s.publishers, perSecond))
}

// delivered waits until the connections, nil: all, have received all sent texts.
func (s *trial) delivered(conns []*load.Conn) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), deliveryTimeout)
	defer cancel()
	late := load.Until(ctx, func() bool { return !s.client.Lagging(conns, s.publishers) })
	if err := s.client.Complete(conns, s.publishers); err != nil {
		s.Fatalf("incomplete delivery: %v (%v)\n%s", err, late, s.server.logTail())
	}
}

// cost returns the deliveries and the server's CPU time while during runs.
func (s *trial) cost(during func()) (delivered int, cpu time.Duration) {
	s.Helper()
	delivered, cpu = s.client.Delivered(), s.server.cpu()
	during()
	return s.client.Delivered() - delivered, s.server.cpu() - cpu
}

// profiled runs during, and writes a profile of Parley's server with -profile.
func (s *trial) profiled(name, query, file string, during func()) {
	s.Helper()
	if *profile == "" || name != parley {
		during()
		return
	}
	done := make(chan error, 1)
	go func() { done <- fetch(s.Context(), "http://"+s.server.addr+"/debug/pprof/"+query, *profile+"/"+file) }()
	during()
	must(s, <-done)
}

func fetch(ctx context.Context, url, file string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: time.Minute}
	answer, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("request profile: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	data, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return fmt.Errorf("request profile: status %s, error %w", answer.Status, err)
	}
	return os.WriteFile(file, data, 0o600)
}

// thousands formats a number with a comma.
func thousands(n int) string {
	text := fmt.Sprint(n)
	if cut := len(text) - 3; cut > 0 {
		return strings.Join([]string{text[:cut], text[cut:]}, ",")
	}
	return text
}
