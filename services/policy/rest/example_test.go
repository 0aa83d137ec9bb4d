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

// catalogue has one product.
type catalogue struct{ products }

func (catalogue) Product(_ context.Context, _ policy.Agent, code string) (*policy.Product, error) {
	if code != "CAR" {
		return nil, policy.ErrProductUnknown
	}
	return &policy.Product{Code: code}, nil
}

func ExampleAPI() {
	document, err := contract.Open(api.Files, "openapi/policy.yaml")
	if err != nil {
		panic(err)
	}
	policies := rest.API{Contract: document, Products: catalogue{}, Now: time.Now}
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
