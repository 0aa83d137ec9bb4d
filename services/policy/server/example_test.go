package server_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"parley.internal/pkg/auth"
	"parley.internal/pkg/event"
	"parley.internal/policy/server"
)

func ExampleNew() {
	ctx := context.Background()
	folder, err := os.MkdirTemp("", "policy")
	if err != nil {
		panic(err)
	}
	policies, err := server.New(ctx, server.Config{
		DatabaseURL: "sqlite:" + filepath.Join(folder, "policy.db"),
		Secret:      []byte(strings.Repeat("k", auth.MinSecret)),
		Events:      &event.Direct{},
	})
	if err != nil {
		panic(err)
	}

	// A request without a token is rejected.
	recorder := httptest.NewRecorder()
	policies.Handler().ServeHTTP(recorder, httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/policies", nil))
	fmt.Println(recorder.Code)

	ctx, stop := context.WithCancel(ctx)
	stop() // or on a signal
	fmt.Println(policies.Run(ctx), os.RemoveAll(folder))
	// Output:
	// 401
	// <nil> <nil>
}
