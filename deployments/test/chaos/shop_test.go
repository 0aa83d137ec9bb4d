package chaos

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"parley.internal/pkg/auth"
	"parley.internal/portal/portaltest"
)

const (
	secret    = "0123456789abcdef0123456789abcdef"
	sellers   = 8
	tooLong   = 8 * time.Second // for one request; it is then sent again, with its key
	tokenLife = 24 * time.Hour
)

// shop sells policies and ends them again, each of both until it is answered.
type shop struct {
	token string
	wire  *http.Transport

	mu       sync.Mutex
	counters []counter
	sold     map[string]bool
}

// counter is where the shop asks: a policyd.
type counter struct {
	url   string
	open  context.Context //nolint:containedctx // It ends what is asked here.
	close context.CancelFunc
}

func newCounter(url string) counter {
	c := counter{url: url}
	c.open, c.close = context.WithCancel(context.Background())
	return c
}

func newShop(t *testing.T, urls ...string) *shop {
	t.Helper()
	tokens, err := auth.NewSecret([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	jimmy := auth.Agent{Login: "jimmy.solid", Name: "Jimmy Solid", Roles: []string{auth.Salesman}}
	token, err := tokens.Issue(jimmy, now, now.Add(tokenLife))
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{token: token, wire: &http.Transport{MaxIdleConnsPerHost: 2 * sellers}, sold: make(map[string]bool)}
	t.Cleanup(s.wire.CloseIdleConnections)
	for _, url := range urls {
		s.counters = append(s.counters, newCounter(url))
	}
	return s
}

// avoid has nobody ask the nth policyd until visit, and those that do ask
// another, as a balancer does when one does not answer.
func (s *shop) avoid(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counters[n].close()
}

func (s *shop) visit(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counters[n] = newCounter(s.counters[n].url)
}

// at is the counter for the nth question, or the next that is open.
func (s *shop) at(n int) counter {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.counters {
		if c := s.counters[(n+i)%len(s.counters)]; c.open.Err() == nil {
			return c
		}
	}
	return s.counters[n%len(s.counters)]
}

func (s *shop) client(c counter) *portaltest.Client {
	return &portaltest.Client{URL: c.url, Token: s.token, HTTP: http.Client{Timeout: tooLong, Transport: s.wire}}
}

// trade sells policies and ends each, least of them and as many more as come
// before it is over, at most rate a second. It returns how many it has begun.
func (s *shop) trade(ctx context.Context, least int, rate float64, over <-chan struct{}) (n int) {
	orders := make(chan int)
	var all sync.WaitGroup
	for range sellers {
		all.Go(func() {
			for i := range orders {
				s.one(ctx, i)
			}
		})
	}
	defer all.Wait()
	defer close(orders)
	clock := time.NewTicker(time.Duration(float64(time.Second) / rate))
	defer clock.Stop()
	for ; ; n++ {
		select {
		case <-over:
			if n >= least {
				return n
			}
		case <-ctx.Done():
			return n
		case <-clock.C:
		}
		select {
		case orders <- n:
		case <-ctx.Done():
			return n
		}
	}
}

func (s *shop) one(ctx context.Context, i int) {
	try := 0
	insist := func(ask func(context.Context, *portaltest.Client) (string, error)) string {
		return portaltest.Insist(ctx, func() (string, error) {
			try++ // The next policyd may be the one that is up.
			c := s.at(i + try)
			ctx, stop := context.WithCancel(ctx)
			defer stop()
			defer context.AfterFunc(c.open, stop)()
			return ask(ctx, s.client(c))
		})
	}
	offer := insist(func(ctx context.Context, c *portaltest.Client) (string, error) { return c.Offer(ctx) })
	number := insist(func(ctx context.Context, c *portaltest.Client) (string, error) {
		return c.Buy(ctx, offer, fmt.Sprintf("buy-%d", i))
	})
	ended := insist(func(ctx context.Context, c *portaltest.Client) (string, error) {
		return terminate(ctx, c, number, fmt.Sprintf("end-%d", i))
	})
	if ended == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sold[number] = true
}

func terminate(ctx context.Context, c *portaltest.Client, number, key string) (string, error) {
	a, err := c.Do(ctx, http.MethodPost, "/api/policies/"+number+"/termination",
		map[string]string{"terminationDate": time.Now().UTC().AddDate(0, 0, 1).Format(time.DateOnly)}, "Idempotency-Key", key)
	if err != nil {
		return "", err
	}
	if a.Status != http.StatusOK {
		return "", fmt.Errorf("terminating %s answers %d %s", number, a.Status, strings.TrimSpace(string(a.Body)))
	}
	return number, nil
}

// answered is how many policies were sold and ended, as far as the shop knows.
func (s *shop) answered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sold)
}
