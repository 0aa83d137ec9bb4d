package rest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"parley.internal/api"
	"parley.internal/pkg/auth"
	"parley.internal/pkg/contract"
	"parley.internal/policy"
	"parley.internal/policy/rest"
)

type products = rest.Products

// shelf has one product.
type shelf struct{ products }

func (shelf) Product(_ context.Context, _ policy.Viewer, code string) (*policy.Product, error) {
	if code != "CAR" {
		return nil, policy.ErrProductUnknown
	}
	return &policy.Product{Code: code}, nil
}

func ExampleAPI() {
	obeyed, err := contract.Open(api.Files, "openapi/policy.yaml")
	if err != nil {
		panic(err)
	}
	policies := rest.API{Contract: obeyed, Products: shelf{}, Now: time.Now}
	ctx := auth.NewContext(context.Background(), auth.Identity{Agent: auth.Agent{Login: "jimmy.solid"}})
	for _, path := range []string{"/api/products/CAR", "/api/products/NONE"} {
		recorder := httptest.NewRecorder()
		policies.Handler().ServeHTTP(recorder, httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil))
		fmt.Println(recorder.Code, recorder.Header().Get("Content-Type"))
	}
	// Output:
	// 200 application/json
	// 404 application/problem+json
}
