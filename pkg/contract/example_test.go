package contract_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"parley.internal/pkg/contract"
	"parley.internal/pkg/web"
)

func Example() {
	library, err := contract.Open(os.DirFS("testdata"), "openapi/library.yaml")
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := library.Middleware(web.Refuse)(http.NotFoundHandler())

	r := httptest.NewRequest(http.MethodPost, "/books", strings.NewReader(`{"title": 7, "authors": [{}], "price": 1}`))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	fmt.Print(w.Body)
	// Output:
	// {"type":"about:blank","title":"Bad Request","status":400,"detail":"the request does not fit the contract: #/authors/0/name is required","code":"request-invalid","errors":[{"pointer":"#/authors/0/name","detail":"is required"},{"pointer":"#/title","detail":"must be a string"}]}
}
