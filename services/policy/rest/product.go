package rest

import (
	"context"
	"net/http"

	"parley.internal/pkg/event"
	"parley.internal/policy"
)

func (a *API) listProducts(ctx context.Context, r *request) (*response, error) {
	after, limit, err := r.page()
	if err != nil {
		return nil, err
	}
	products, err := a.Products.Products(ctx, r.agent, after, limit+1)
	if err != nil {
		return nil, err
	}
	items, next := cutPage(products, limit, func(p policy.Product) string { return p.Code })
	return ok(ProductPage{Items: items, Next: next})
}

func (a *API) getProduct(ctx context.Context, r *request) (*response, error) {
	product, err := a.Products.Product(ctx, r.agent, r.PathValue("code"))
	if err != nil {
		return nil, err
	}
	return ok(product)
}

func (a *API) activateProduct(ctx context.Context, r *request) (*response, error) {
	code, err := r.pathNumber("code", policy.ErrProductUnknown)
	if err != nil {
		return nil, err
	}
	return a.change(ctx, r, func(tx policy.Tx) (policy.Response, error) {
		var activated *policy.Product
		err := tx.Activate(ctx, code, func(p *policy.Product) ([]event.Event, error) {
			activated = p
			return p.Activate()
		})
		if err != nil {
			return policy.Response{}, err
		}
		return newResponse(http.StatusOK, "", activated)
	})
}

func (a *API) getTariff(ctx context.Context, r *request) (*response, error) {
	code, err := r.pathNumber("code", policy.ErrProductUnknown)
	if err != nil {
		return nil, err
	}
	tariff, err := a.Store.Tariff(ctx, code)
	if err != nil {
		return nil, err
	}
	return ok(tariff)
}

func (a *API) changeTariff(ctx context.Context, r *request) (*response, error) {
	var wanted TariffChange
	if err := r.decode(&wanted); err != nil {
		return nil, err
	}
	code, err := r.pathNumber("code", policy.ErrProductUnknown)
	if err != nil {
		return nil, err
	}
	return a.change(ctx, r, func(tx policy.Tx) (policy.Response, error) {
		var changed policy.Tariff
		err := tx.ChangeTariff(ctx, code, func(p *policy.Product, t *policy.Tariff) ([]event.Event, error) {
			events, err := t.Change(p, wanted, a.Compile)
			changed = *t
			return events, err
		})
		if err != nil {
			return policy.Response{}, err
		}
		return newResponse(http.StatusOK, "", changed)
	})
}
