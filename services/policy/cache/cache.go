// Package cache keeps products and tariffs in memory, in front of the store.
//
// It promises that what was read before a Drop is not served after it, and that
// nothing is served for longer than TTL: a Drop that comes from another node is
// a hint, which may be lost.
package cache

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"parley.internal/policy"
)

// TTL is how long the catalogue is kept.
const TTL = 30 * time.Second

// Cache is the catalogue of products. It is safe for concurrent use; nobody may
// change what it returns.
type Cache struct {
	load    func(context.Context) (policy.Catalogue, error)
	compile policy.Compile
	turn    chan struct{} // holds one token while somebody loads

	mu         sync.Mutex
	generation uint64    // counts the drops
	kept       *snapshot // nil: nothing is
}

// New is an empty cache of what load returns.
func New(load func(context.Context) (policy.Catalogue, error), compile policy.Compile) *Cache {
	return &Cache{load: load, compile: compile, turn: make(chan struct{}, 1)}
}

// snapshot is the catalogue as it was at one moment.
type snapshot struct {
	until    time.Time
	products []policy.Product // by code
	pricers  map[string]func() (policy.Pricer, error)
}

// Drop forgets everything; so does a load under way.
func (c *Cache) Drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	c.kept = nil
}

// Products lists at most limit products whose codes follow after, in the order
// of their codes; drafts only for those who see all.
func (c *Cache) Products(ctx context.Context, viewer policy.Viewer, after string, limit int) ([]policy.Product, error) {
	s, err := c.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	var products []policy.Product
	for _, product := range s.products {
		if product.Code > after && viewer.SeesProduct(product) && len(products) < limit {
			products = append(products, product)
		}
	}
	return products, nil
}

// Product is one product, a draft only for those who see all.
func (c *Cache) Product(ctx context.Context, viewer policy.Viewer, code string) (*policy.Product, error) {
	s, err := c.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	product := s.product(code)
	if product == nil || !viewer.SeesProduct(*product) {
		return nil, policy.ErrProductUnknown
	}
	return product, nil
}

// Tariff is a product, drafts too, and its tariff, compiled when it is first
// needed.
func (c *Cache) Tariff(ctx context.Context, productCode string) (*policy.Product, policy.Pricer, error) {
	s, err := c.snapshot(ctx)
	if err != nil {
		return nil, nil, err
	}
	product, compile := s.product(productCode), s.pricers[productCode]
	if product == nil || compile == nil {
		return nil, nil, policy.ErrProductUnknown
	}
	pricer, err := compile()
	if err != nil {
		// What the database holds was accepted once: a caller can do nothing about it.
		return nil, nil, fmt.Errorf("compile tariff of %s: %v", productCode, err) //nolint:errorlint // Said above.
	}
	return product, pricer, nil
}

// snapshot is what is kept, or what is loaded now: by one at a time, for a
// cache that was dropped must not have everybody at the database.
func (c *Cache) snapshot(ctx context.Context) (*snapshot, error) {
	if s, _ := c.current(); s != nil {
		return s, nil
	}
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the catalogue: %w", ctx.Err())
	}
	s, generation := c.current()
	if s != nil {
		return s, nil
	}
	until := time.Now().Add(TTL)
	catalogue, err := c.load(ctx)
	if err != nil {
		return nil, err
	}
	s = c.snapshotOf(catalogue, until)
	c.mu.Lock()
	defer c.mu.Unlock()
	// Dropped since, it still is newer than the request that it is loaded for.
	if c.generation == generation {
		c.kept = s
	}
	return s, nil
}

func (c *Cache) current() (*snapshot, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept != nil && !time.Now().Before(c.kept.until) {
		c.kept = nil
	}
	return c.kept, c.generation
}

func (c *Cache) snapshotOf(catalogue policy.Catalogue, until time.Time) *snapshot {
	s := &snapshot{until: until, products: catalogue.Products, pricers: make(map[string]func() (policy.Pricer, error))}
	// Each database has an order of its own.
	slices.SortFunc(s.products, func(a, b policy.Product) int { return strings.Compare(a.Code, b.Code) })
	for _, tariff := range catalogue.Tariffs {
		if product := s.product(tariff.ProductCode); product != nil {
			s.pricers[tariff.ProductCode] = sync.OnceValues(func() (policy.Pricer, error) { return c.compile(product, tariff) })
		}
	}
	return s
}

func (s *snapshot) product(code string) *policy.Product {
	i, found := slices.BinarySearchFunc(s.products, code,
		func(p policy.Product, code string) int { return strings.Compare(p.Code, code) })
	if !found {
		return nil
	}
	return &s.products[i]
}
