package rest

import (
	"context"
	"net/http"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/policy"
)

// ListProducts implements StrictServerInterface.
func (a *API) ListProducts(ctx context.Context, request ListProductsRequestObject) (ListProductsResponseObject, error) {
	viewer, err := viewer(ctx)
	if err != nil {
		return nil, err
	}
	after, err := insideOf(request.Params.Cursor)
	if err != nil {
		return nil, err
	}
	limit := limitOf(request.Params.Limit)
	products, err := a.Products.Products(ctx, viewer, after, limit+1)
	if err != nil {
		return nil, err
	}
	items, next := cut(products, limit, func(p policy.Product) string { return p.Code })
	return ListProducts200JSONResponse{Items: items, Next: next}, nil
}

// GetProduct implements StrictServerInterface.
func (a *API) GetProduct(ctx context.Context, request GetProductRequestObject) (GetProductResponseObject, error) {
	viewer, err := viewer(ctx)
	if err != nil {
		return nil, err
	}
	product, err := a.Products.Product(ctx, viewer, request.Code)
	if err != nil {
		return nil, err
	}
	return GetProduct200JSONResponse(*product), nil
}

// ActivateProduct implements StrictServerInterface.
func (a *API) ActivateProduct(
	ctx context.Context, request ActivateProductRequestObject,
) (ActivateProductResponseObject, error) {
	if !isNumber(request.Code) {
		return nil, policy.ErrProductUnknown
	}
	return a.once(ctx, request.Params.IdempotencyKey, func(context.Context, policy.Viewer) (commit, error) {
		return func(ctx context.Context, tx *database.Tx) (policy.Reply, error) {
			var activated *policy.Product
			err := a.Catalogue.Activate(ctx, tx, request.Code, func(p *policy.Product) ([]event.Event, error) {
				activated = p
				return p.Activate()
			})
			if err != nil {
				return policy.Reply{}, err
			}
			return replyOf(http.StatusOK, "", activated)
		}, nil
	})
}

// GetTariff implements StrictServerInterface.
func (a *API) GetTariff(ctx context.Context, request GetTariffRequestObject) (GetTariffResponseObject, error) {
	if !isNumber(request.Code) {
		return nil, policy.ErrProductUnknown
	}
	tariff, err := a.Catalogue.Tariff(ctx, request.Code)
	if err != nil {
		return nil, err
	}
	return GetTariff200JSONResponse(tariff), nil
}

// ChangeTariff implements StrictServerInterface.
func (a *API) ChangeTariff(ctx context.Context, request ChangeTariffRequestObject) (ChangeTariffResponseObject, error) {
	if !isNumber(request.Code) {
		return nil, policy.ErrProductUnknown
	}
	return a.once(ctx, nil, func(context.Context, policy.Viewer) (commit, error) {
		return func(ctx context.Context, tx *database.Tx) (policy.Reply, error) {
			var changed policy.Tariff
			err := a.Catalogue.ChangeTariff(ctx, tx, request.Code, func(p *policy.Product, t *policy.Tariff) ([]event.Event, error) {
				events, err := t.Change(p, *request.Body, a.Compile)
				changed = *t
				return events, err
			})
			if err != nil {
				return policy.Reply{}, err
			}
			return replyOf(http.StatusOK, "", changed)
		}, nil
	})
}
