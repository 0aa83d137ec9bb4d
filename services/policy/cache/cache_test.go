package cache_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.internal/policy"
	"parley.internal/policy/cache"
)

var (
	jimmy = policy.Agent{Login: "jimmy.solid"}
	admin = policy.Agent{Login: "admin", Admin: true}
)

// source is a store whose product has a name that the test changes.
type source struct {
	name   atomic.Value
	loads  atomic.Int32
	before func() // called between the read of a load and its return
}

func newSource() *source {
	s := &source{before: func() {}}
	s.name.Store("first")
	return s
}

func (s *source) load(context.Context) (policy.Catalogue, error) {
	name, _ := s.name.Load().(string)
	if name == "failing" {
		return policy.Catalogue{}, errors.New("database unavailable")
	}
	s.loads.Add(1)
	s.before()
	return policy.Catalogue{
		Products: []policy.Product{
			{Code: "b", Status: policy.ProductDraft}, {Code: "CAR", Name: name, Status: policy.ProductActive}, {Code: "A", Status: policy.ProductActive},
		},
		Tariffs: []policy.Tariff{{ProductCode: "CAR"}, {ProductCode: "A", Version: -1}, {ProductCode: "UNKNOWN"}},
	}, nil
}

type pricer struct{ policy.Pricer }

func compile(_ *policy.Product, t policy.Tariff) (policy.Pricer, error) {
	if t.Version < 0 {
		return nil, policy.ErrTariffInvalid
	}
	return &pricer{}, nil
}

func name(t *testing.T, c *cache.Cache) string {
	t.Helper()
	product, err := c.Product(t.Context(), jimmy, "CAR")
	if err != nil {
		t.Fatal(err)
	}
	return product.Name
}

func TestCacheServesUntilDropOrExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		c := cache.New(s.load, compile)
		name(t, c)
		s.name.Store("second")
		<-time.After(cache.TTL - 1)
		if got := name(t, c); got != "first" || s.loads.Load() != 1 {
			t.Errorf("before the TTL: got %s after %d loads, want first after 1", got, s.loads.Load())
		}
		<-time.After(1)
		if got := name(t, c); got != "second" {
			t.Errorf("after the TTL: got %s, want second", got)
		}
		s.name.Store("third")
		c.Drop()
		if got := name(t, c); got != "third" {
			t.Errorf("after a drop: got %s, want third", got)
		}
	})
}

func TestDropDuringLoadIsNotLost(t *testing.T) {
	s := newSource()
	c := cache.New(s.load, compile)
	s.before = func() { // The load has read the old name.
		s.before = func() {}
		s.name.Store("second")
		c.Drop()
	}
	name(t, c)
	if got := name(t, c); got != "second" {
		t.Errorf("got %s, want second", got)
	}
}

func TestConcurrentReadsLoadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		release := make(chan struct{})
		s.before = func() { <-release }
		c := cache.New(s.load, compile)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { name(t, c) })
		}
		synctest.Wait() // One load runs, the other readers wait.
		cancelled, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			if _, err := c.Product(cancelled, jimmy, "CAR"); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled read: got error %v, want context.Canceled", err)
			}
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(release)
		wg.Wait()
		if s.loads.Load() != 1 {
			t.Errorf("got %d loads, want 1", s.loads.Load())
		}
	})
}

func TestFailedLoadIsRetried(t *testing.T) {
	s := newSource()
	s.name.Store("failing")
	c := cache.New(s.load, compile)
	if _, err := c.Products(t.Context(), admin, "", 10); err == nil {
		t.Error("got no error from a failing load")
	}
	if _, _, err := c.Tariff(t.Context(), "CAR"); err == nil {
		t.Error("got no error from a failing load")
	}
	s.name.Store("working")
	if got := name(t, c); got != "working" {
		t.Errorf("got %s, want working", got)
	}
}

func TestOnlyAdminsSeeDrafts(t *testing.T) {
	c := cache.New(newSource().load, compile)
	for agent, want := range map[policy.Agent]string{jimmy: "A CAR", admin: "A CAR b"} {
		var got []string
		for after := ""; ; {
			page, err := c.Products(t.Context(), agent, after, 1)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			after = page[0].Code
			got = append(got, after)
		}
		if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" {
			t.Errorf("products of %s (-want +got):\n%s", agent.Login, diff)
		}
		if _, err := c.Product(t.Context(), agent, "b"); (err == nil) != agent.Admin || err != nil && !errors.Is(err, policy.ErrProductUnknown) {
			t.Errorf("%s reads a draft: got error %v", agent.Login, err)
		}
	}
}

func TestTariffIsCompiledOnce(t *testing.T) {
	c := cache.New(newSource().load, compile)
	_, first, err := c.Tariff(t.Context(), "CAR")
	if err != nil {
		t.Fatal(err)
	}
	if _, second, _ := c.Tariff(t.Context(), "CAR"); second != first {
		t.Error("the tariff was compiled twice")
	}
	for _, code := range []string{"b", "UNKNOWN", "NONE"} {
		if _, _, err := c.Tariff(t.Context(), code); !errors.Is(err, policy.ErrProductUnknown) {
			t.Errorf("tariff of %s: got error %v, want ErrProductUnknown", code, err)
		}
	}
	// An invalid stored tariff is an internal error.
	if _, _, err := c.Tariff(t.Context(), "A"); err == nil || errors.Is(err, policy.ErrTariffInvalid) {
		t.Errorf("invalid stored tariff: got error %v, want an internal error", err)
	}
}
