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
	workers   = 8
	timeout   = 8 * time.Second // of a request, which is then sent again with its idempotency key
	tokenLife = 24 * time.Hour
)

// load sells and terminates policies. It repeats each request until the request
// succeeds.
type load struct {
	token     string
	transport *http.Transport

	mu      sync.Mutex
	targets []target
	done    map[string]bool // numbers of terminated policies
}

// target is a policyd.
type target struct {
	url      string
	included context.Context // ends when the target is excluded, and cancels its requests
	exclude  context.CancelFunc
}

func newTarget(url string) target {
	t := target{url: url}
	t.included, t.exclude = context.WithCancel(context.Background())
	return t
}

func newLoad(t *testing.T) *load {
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
	l := &load{token: token, transport: &http.Transport{MaxIdleConnsPerHost: 2 * workers}, done: make(map[string]bool)}
	t.Cleanup(l.transport.CloseIdleConnections)
	return l
}

// add adds a policyd by its URL. All are added before run.
func (l *load) add(url string) { l.targets = append(l.targets, newTarget(url)) }

// exclude sends requests to the other targets, also those under way, as a load
// balancer does when a health check fails.
func (l *load) exclude(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.targets[n].exclude()
}

func (l *load) include(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.targets[n] = newTarget(l.targets[n].url)
}

// pick returns the target of the nth request, or the next target that is not
// excluded.
func (l *load) pick(n int) target {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.targets {
		if t := l.targets[(n+i)%len(l.targets)]; t.included.Err() == nil {
			return t
		}
	}
	return l.targets[n%len(l.targets)]
}

func (l *load) client(t target) *portaltest.Client {
	return &portaltest.Client{URL: t.url, Token: l.token, HTTP: http.Client{Timeout: timeout, Transport: l.transport}}
}

// run sells and terminates at least so many policies, and more until enough is
// closed, at most rate a second. It returns the number of begun sales.
func (l *load) run(ctx context.Context, least int, rate float64, enough <-chan struct{}) (n int) {
	orders := make(chan int)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for i := range orders {
				l.sell(ctx, i)
			}
		})
	}
	defer all.Wait()
	defer close(orders)
	clock := time.NewTicker(time.Duration(float64(time.Second) / rate))
	defer clock.Stop()
	for ; ; n++ {
		select {
		case <-enough:
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

// sell sells the ith policy and terminates it.
func (l *load) sell(ctx context.Context, i int) {
	attempt := 0
	retry := func(request func(context.Context, *portaltest.Client) (string, error)) string {
		return portaltest.Retry(ctx, func() (string, error) {
			attempt++ // Each attempt goes to the next policyd.
			t := l.pick(i + attempt)
			ctx, stop := context.WithCancel(ctx)
			defer stop()
			defer context.AfterFunc(t.included, stop)()
			return request(ctx, l.client(t))
		})
	}
	offer := retry(func(ctx context.Context, c *portaltest.Client) (string, error) { return c.Offer(ctx) })
	number := retry(func(ctx context.Context, c *portaltest.Client) (string, error) {
		return c.Buy(ctx, offer, fmt.Sprintf("buy-%d", i))
	})
	ended := retry(func(ctx context.Context, c *portaltest.Client) (string, error) {
		return terminate(ctx, c, number, fmt.Sprintf("end-%d", i))
	})
	if ended == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done[number] = true
}

func terminate(ctx context.Context, c *portaltest.Client, number, key string) (string, error) {
	a, err := c.Do(ctx, http.MethodPost, "/api/policies/"+number+"/termination",
		map[string]string{"terminationDate": time.Now().UTC().AddDate(0, 0, 1).Format(time.DateOnly)}, "Idempotency-Key", key)
	if err != nil {
		return "", err
	}
	if a.Status != http.StatusOK {
		return "", fmt.Errorf("terminate %s: status %d %s", number, a.Status, strings.TrimSpace(string(a.Body)))
	}
	return number, nil
}

// terminated returns the number of policies that were sold and terminated.
func (l *load) terminated() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.done)
}
