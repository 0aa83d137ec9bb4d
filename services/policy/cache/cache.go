// Package cache keeps the catalogue of products and tariffs in memory, in front
// of the store.
//
// No read returns data from before the last Drop, or older than TTL. The TTL is
// needed because other nodes announce changes by events, and events can be lost.
package cache

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"parley.internal/policy"
)

// TTL is the time to live of the cached catalogue.
const TTL = 30 * time.Second

// Cache is the cached catalogue, safe for concurrent use. Callers must not change
// returned products.
type Cache struct {
	load    func(context.Context) (policy.Catalogue, error)
	compile policy.Compile
	drops   atomic.Int64

	lock   chan struct{} // holds a token while a caller reads or loads cached
	cached snapshot
}

// New returns an empty cache. load reads the catalogue from the store.
func New(load func(context.Context) (policy.Catalogue, error), compile policy.Compile) *Cache {
	return &Cache{load: load, compile: compile, lock: make(chan struct{}, 1)}
}

// snapshot is the catalogue at a moment.
type snapshot struct {
	drops    int64 // before the load
	expires  time.Time
	products []policy.Product // by code
	pricers  map[string]func() (policy.Pricer, error)
}

// Drop invalidates the cached catalogue and a load in progress.
func (c *Cache) Drop() { c.drops.Add(1) }

// Products lists at most limit products with codes after a code, in the order of
// their codes. Only administrators get drafts.
func (c *Cache) Products(ctx context.Context, agent policy.Agent, after string, limit int) ([]policy.Product, error) {
	s, err := c.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	var products []policy.Product
	for _, product := range s.products {
		if product.Code > after && agent.MaySeeProduct(product) && len(products) < limit {
			products = append(products, product)
		}
	}
	return products, nil
}

// Product returns a product. Only administrators get drafts.
func (c *Cache) Product(ctx context.Context, agent policy.Agent, code string) (*policy.Product, error) {
	s, err := c.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	product := s.product(code)
	if product == nil || !agent.MaySeeProduct(*product) {
		return nil, policy.ErrProductUnknown
	}
	return product, nil
}

// Tariff returns a product, also a draft, and the compiled tariff. The first call
// compiles the tariff.
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
		// An invalid tariff in the database is an internal error, not the caller's.
		return nil, nil, fmt.Errorf("compile tariff of %s: %v", productCode, err) //nolint:errorlint // Hides the caller's error.
	}
	return product, pricer, nil
}

// snapshot returns the cached catalogue or loads the catalogue. A single caller
// loads, because a drop would otherwise send all requests to the database.
func (c *Cache) snapshot(ctx context.Context) (snapshot, error) {
	select {
	case c.lock <- struct{}{}:
		defer func() { <-c.lock }()
	case <-ctx.Done():
		return snapshot{}, fmt.Errorf("wait for the catalogue: %w", ctx.Err())
	}
	drops, now := c.drops.Load(), time.Now()
	if c.cached.drops == drops && now.Before(c.cached.expires) {
		return c.cached, nil
	}
	catalogue, err := c.load(ctx)
	if err != nil {
		return snapshot{}, err
	}
	// After a drop during the load, the catalogue still answers this request, because
	// the request is older than the drop. The next request loads again.
	c.cached = c.newSnapshot(catalogue, drops, now.Add(TTL))
	return c.cached, nil
}

func (c *Cache) newSnapshot(catalogue policy.Catalogue, drops int64, expires time.Time) snapshot {
	s := snapshot{
		drops: drops, expires: expires, products: catalogue.Products, pricers: make(map[string]func() (policy.Pricer, error)),
	}
	// The order of codes differs between databases.
	slices.SortFunc(s.products, func(a, b policy.Product) int { return strings.Compare(a.Code, b.Code) })
	for _, tariff := range catalogue.Tariffs {
		if product := s.product(tariff.ProductCode); product != nil {
			s.pricers[tariff.ProductCode] = sync.OnceValues(func() (policy.Pricer, error) { return c.compile(product, tariff) })
		}
	}
	return s
}

// product returns the product with a code, nil if there is none.
func (s snapshot) product(code string) *policy.Product {
	i, found := slices.BinarySearchFunc(s.products, code,
		func(p policy.Product, code string) int { return strings.Compare(p.Code, code) })
	if !found {
		return nil
	}
	return &s.products[i]
}
