package rest

import (
	"net/http"

	"parley.internal/pkg/web"
	"parley.internal/policy"
)

func (a *API) products(w http.ResponseWriter, r *http.Request) error {
	viewer, err := viewer(r.Context())
	if err != nil {
		return err
	}
	limit, err := web.Limit(r, usualPage, mostItems)
	if err != nil {
		return err
	}
	after, err := cursorOf(r)
	if err != nil {
		return err
	}
	products, err := a.Products.Products(r.Context(), viewer, after, limit+1)
	if err != nil {
		return err
	}
	web.Reply(w, http.StatusOK, pageOf(products, limit,
		func(p policy.Product) policy.Product { return p },
		func(p policy.Product) string { return p.Code }))
	return nil
}

func (a *API) product(w http.ResponseWriter, r *http.Request) error {
	viewer, err := viewer(r.Context())
	if err != nil {
		return err
	}
	code := r.PathValue("code")
	if !isNumber(code) {
		return policy.ErrProductUnknown
	}
	product, err := a.Products.Product(r.Context(), viewer, code)
	if err != nil {
		return err
	}
	web.Reply(w, http.StatusOK, product)
	return nil
}
