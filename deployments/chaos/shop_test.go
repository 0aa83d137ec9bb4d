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
	urls  []string
	token string

	mu   sync.Mutex
	sold map[string]bool
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
	return &shop{urls: urls, token: token, sold: make(map[string]bool)}
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
	insist := func(ask func(*portaltest.Client) (string, error)) string {
		return portaltest.Insist(ctx, func() (string, error) {
			try++ // The next policyd may be the one that is up.
			return ask(&portaltest.Client{
				URL: s.urls[(i+try)%len(s.urls)], Token: s.token,
				HTTP: http.Client{Timeout: tooLong, Transport: wire},
			})
		})
	}
	offer := insist(func(c *portaltest.Client) (string, error) { return c.Offer(ctx) })
	number := insist(func(c *portaltest.Client) (string, error) { return c.Buy(ctx, offer, fmt.Sprintf("buy-%d", i)) })
	ended := insist(func(c *portaltest.Client) (string, error) { return terminate(ctx, c, number, fmt.Sprintf("end-%d", i)) })
	if ended == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sold[number] = true
}

var wire = &http.Transport{MaxIdleConnsPerHost: 2 * sellers}

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
