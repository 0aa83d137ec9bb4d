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
	rounds  = flag.Int("rounds", 5, "how often each figure is taken, one server after the other")
	scale   = flag.Float64("scale", 1, "how much work a round is; the figures in the documentation are of 1")
	hold    = flag.Duration("hold", 30*time.Second, "how long ten thousand connections are held; five minutes in the documentation")
	settle  = flag.Duration("settle", 5*time.Second, "how long a server is left alone before its memory is looked at")
	only    = flag.String("only", "", "the names of the servers to take, with / between them; all")
	profile = flag.String("profile", "", "a folder for profiles of Parley's server")
)

const (
	publishers = 4
	inFlight   = 4
	patience   = time.Minute // for what has been sent to arrive
	quiet      = 0.05        // what others may use of the machine before it is worth a line
)

// small is whether the run is only to show that the benchmark works.
func small() bool { return testing.Short() }

// scaled is how long something is measured.
func scaled(full time.Duration) time.Duration {
	if small() {
		return full / 20
	}
	return time.Duration(float64(full) * *scale)
}

// size is how many connections there are.
func size(full int) int {
	if small() {
		return 50
	}
	return full
}

// built are the servers, once each has built them.
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
	defer func() { _ = os.RemoveAll(folder) }() // of the system's temporary ones
	built = programs(folder)
	return m.Run()
}

// each takes every server once in each round, one after the other.
func each(t *testing.T, rounds int, servers []peer, take func(t *testing.T, p peer)) {
	t.Helper()
	once.Do(func() {
		fmt.Fprintln(os.Stdout, machine(t))
		built.build(t)
	})
	some := chosen(servers)
	if len(some) == 0 {
		fmt.Fprintf(os.Stdout, "%s: none of the servers that -only names takes part\n", t.Name())
	}
	for round := range rounds {
		fmt.Fprintf(os.Stdout, "round %d\n", round+1)
		for _, p := range some {
			began, before := time.Now(), used(t)
			t.Run(p.name, func(t *testing.T) { take(t, p) })
			if share := before.others(t, began); share > quiet && !small() {
				fmt.Fprintf(os.Stdout, "    others used %.0f %% of the machine meanwhile\n", 100*share)
			}
		}
	}
}

// scene is a server with its clients.
type scene struct {
	*testing.T

	server     *server
	client     *load.Client
	protocol   *load.Protocol
	publishers []*load.Publisher
}

func open(t *testing.T, p peer) *scene {
	t.Helper()
	s := &scene{T: t, server: built.start(t, p), protocol: p.protocol}
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

func (s *scene) receivers(n int, narrow bool) []*load.Conn {
	s.Helper()
	conns, err := s.client.Receivers(s.Context(), s.server.addr, s.protocol, n, narrow)
	if err != nil {
		s.Fatalf("%v\n%s", err, s.server.said())
	}
	return conns
}

func (s *scene) publish() {
	s.Helper()
	var err error
	s.publishers, err = s.client.Publishers(s.Context(), s.server.addr, s.protocol, publishers, inFlight)
	must(s, err)
}

// flood is sending as fast as the slots get free.
func (s *scene) flood(within time.Duration, each uint64) {
	s.Helper()
	must(s, load.Flood(s.Context(), s.publishers, within, each))
}

// paced sends so many texts a second for a time.
func (s *scene) paced(perSecond int, d time.Duration) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), d)
	defer cancel()
	must(s, load.Pace(ctx, s.publishers, perSecond))
}

// arrived waits until these connections, or all, have got what was sent.
func (s *scene) arrived(conns []*load.Conn) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	late := load.Until(ctx, func() bool { return !s.client.Behind(conns, s.publishers) })
	if err := s.client.Complete(conns, s.publishers); err != nil {
		s.Fatalf("not everything was delivered: %v (%v)\n%s", err, late, s.server.said())
	}
}

// cost is what the server has delivered, and used for it, while something went on.
func (s *scene) cost(during func()) (delivered int, cpu time.Duration) {
	s.Helper()
	delivered, cpu = s.client.Delivered(), s.server.cpu()
	during()
	return s.client.Delivered() - delivered, s.server.cpu() - cpu
}

// profiled writes one of the server's profiles, if that is wanted, and calls
// during meanwhile.
func (s *scene) profiled(name, query, file string, during func()) {
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
		return fmt.Errorf("ask for a profile: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	data, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return fmt.Errorf("no profile: %s %w", answer.Status, err)
	}
	return os.WriteFile(file, data, 0o600)
}

// thousands is a number as people read it.
func thousands(n int) string {
	text := fmt.Sprint(n)
	if cut := len(text) - 3; cut > 0 {
		return strings.Join([]string{text[:cut], text[cut:]}, ",")
	}
	return text
}
