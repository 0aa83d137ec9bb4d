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
	jimmy = policy.Viewer{Login: "jimmy.solid"}
	admin = policy.Viewer{Login: "admin", SeesAll: true}
)

// shelf is a store: the name of its product says how often it was changed.
type shelf struct {
	name   atomic.Value
	loads  atomic.Int32
	before func() // between a load's read and its return
}

func newShelf() *shelf {
	s := &shelf{before: func() {}}
	s.name.Store("first")
	return s
}

func (s *shelf) load(context.Context) (policy.Catalogue, error) {
	name, _ := s.name.Load().(string)
	if name == "away" {
		return policy.Catalogue{}, errors.New("the database is away")
	}
	s.loads.Add(1)
	s.before()
	return policy.Catalogue{
		Products: []policy.Product{
			{Code: "b", Status: policy.ProductDraft}, {Code: "CAR", Name: name, Status: policy.ProductActive}, {Code: "A", Status: policy.ProductActive},
		},
		Tariffs: []policy.Tariff{{ProductCode: "CAR"}, {ProductCode: "A", Version: -1}, {ProductCode: "gone"}},
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

func TestWhatIsKeptIsServedUntilItIsDroppedOrOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		c := cache.New(s.load, compile)
		name(t, c)
		s.name.Store("second")
		<-time.After(cache.TTL - 1)
		if got := name(t, c); got != "first" || s.loads.Load() != 1 {
			t.Errorf("before its time is over: %s, loaded %d times", got, s.loads.Load())
		}
		<-time.After(1)
		if got := name(t, c); got != "second" {
			t.Errorf("after its time: %s", got)
		}
		s.name.Store("third")
		c.Drop()
		if got := name(t, c); got != "third" {
			t.Errorf("dropped: %s", got)
		}
	})
}

func TestWhatWasDroppedWhileItWasLoadedIsNotKept(t *testing.T) {
	s := newShelf()
	c := cache.New(s.load, compile)
	s.before = func() { // It has read the old one.
		s.before = func() {}
		s.name.Store("second")
		c.Drop()
	}
	name(t, c)
	if got := name(t, c); got != "second" {
		t.Errorf("got %s", got)
	}
}

func TestManyWhoAskAtOnceLoadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		release := make(chan struct{})
		s.before = func() { <-release }
		c := cache.New(s.load, compile)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { name(t, c) })
		}
		synctest.Wait() // One of them loads, the others wait for it.
		impatient, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			if _, err := c.Product(impatient, jimmy, "CAR"); !errors.Is(err, context.Canceled) {
				t.Errorf("who goes away gets error %v", err)
			}
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(release)
		wg.Wait()
		if s.loads.Load() != 1 {
			t.Errorf("loaded %d times", s.loads.Load())
		}
	})
}

func TestALoadThatFailedIsTriedAgain(t *testing.T) {
	s := newShelf()
	s.name.Store("away")
	c := cache.New(s.load, compile)
	if _, err := c.Products(t.Context(), admin, "", 10); err == nil {
		t.Error("there is no error")
	}
	if _, _, err := c.Tariff(t.Context(), "CAR"); err == nil {
		t.Error("there is no error")
	}
	s.name.Store("back")
	if got := name(t, c); got != "back" {
		t.Errorf("got %s", got)
	}
}

func TestDraftsAreForThoseWhoSeeAll(t *testing.T) {
	c := cache.New(newShelf().load, compile)
	for viewer, want := range map[policy.Viewer]string{jimmy: "A CAR", admin: "A CAR b"} {
		var got []string
		for after := ""; ; {
			page, err := c.Products(t.Context(), viewer, after, 1)
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
			t.Errorf("products of %s (-want +got):\n%s", viewer.Login, diff)
		}
		if _, err := c.Product(t.Context(), viewer, "b"); (err == nil) != viewer.SeesAll || err != nil && !errors.Is(err, policy.ErrProductUnknown) {
			t.Errorf("%s reads a draft: error %v", viewer.Login, err)
		}
	}
}

func TestATariffIsCompiledOnce(t *testing.T) {
	c := cache.New(newShelf().load, compile)
	_, first, err := c.Tariff(t.Context(), "CAR")
	if err != nil {
		t.Fatal(err)
	}
	if _, again, _ := c.Tariff(t.Context(), "CAR"); again != first {
		t.Error("it was compiled twice")
	}
	for _, code := range []string{"b", "gone", "NONE"} {
		if _, _, err := c.Tariff(t.Context(), code); !errors.Is(err, policy.ErrProductUnknown) {
			t.Errorf("the tariff of %s: error %v", code, err)
		}
	}
	// What is stored is not the caller's fault.
	if _, _, err := c.Tariff(t.Context(), "A"); err == nil || errors.Is(err, policy.ErrTariffInvalid) {
		t.Errorf("a broken tariff in the store: error %v", err)
	}
}
