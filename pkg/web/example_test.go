package web_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"parley.internal/pkg/web"
)

func Example() {
	var mux web.Mux
	mux.HandleFunc("POST /api/greetings", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Name string `json:"name"`
		}
		if err := web.Decode(w, r, &in); err != nil {
			web.Refuse(w, r, err)
			return
		}
		web.Reply(w, http.StatusCreated, map[string]string{"greeting": "hello " + in.Name})
	})

	r := httptest.NewRequest(http.MethodPost, "/api/greetings", strings.NewReader(`{"name":7}`))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Print(w.Body)
	// Output: {"type":"about:blank","title":"Bad Request","status":400,"detail":"the body is not what is expected here: name must not be a number","code":"body-invalid"}
}
