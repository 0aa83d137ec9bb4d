package rest

import (
	"context"

	"parley.internal/pkg/event"
	"parley.internal/pkg/web"
	"parley.internal/policy"
)

func (a *API) listProducts(ctx context.Context, r *request) (reply, error) {
	after, limit, err := r.page()
	if err != nil {
		return reply{}, err
	}
	products, err := a.Products.Products(ctx, r.agent, after, limit+1)
	items, next := web.CutPage(products, limit, func(p policy.Product) string { return p.Code })
	return reply{body: ProductPage{Items: items, Next: next}}, err
}

func (a *API) getProduct(ctx context.Context, r *request) (reply, error) {
	product, err := a.Products.Product(ctx, r.agent, r.PathValue("code"))
	return reply{body: product}, err
}

func (a *API) activateProduct(ctx context.Context, r *request) (reply, error) {
	return a.change(ctx, r, func(ctx context.Context, tx policy.Tx) (reply, error) {
		var activated *policy.Product
		err := tx.Activate(ctx, r.PathValue("code"), func(p *policy.Product) ([]event.Event, error) {
			activated = p
			return p.Activate()
		})
		return reply{body: activated}, err
	})
}

func (a *API) getTariff(ctx context.Context, r *request) (reply, error) {
	tariff, err := a.Store.Tariff(ctx, r.PathValue("code"))
	return reply{body: tariff}, err
}

func (a *API) changeTariff(ctx context.Context, r *request, wanted TariffChange) (reply, error) {
	return a.change(ctx, r, func(ctx context.Context, tx policy.Tx) (reply, error) {
		var changed policy.Tariff
		err := tx.ChangeTariff(ctx, r.PathValue("code"), func(p *policy.Product, t *policy.Tariff) ([]event.Event, error) {
			events, err := t.Change(p, wanted, a.Compile)
			changed = *t
			return events, err
		})
		return reply{body: changed}, err
	})
}
