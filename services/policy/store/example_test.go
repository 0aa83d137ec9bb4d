package store_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"parley.internal/pkg/database"
	"parley.internal/pkg/outbox"
	"parley.internal/policy"
	"parley.internal/policy/store"
)

func ExampleStore_Do() {
	ctx := context.Background()
	folder, err := os.MkdirTemp("", "policy")
	if err != nil {
		panic(err)
	}
	db, err := database.Open(ctx, "sqlite:"+filepath.Join(folder, "policy.db"))
	if err != nil {
		panic(err)
	}
	if err := store.Migrate(ctx, db); err != nil {
		panic(err)
	}
	s := store.New(db, outbox.New(db, "policy", slog.New(slog.DiscardHandler)), func() {})

	key := policy.IdempotencyKey{AgentLogin: "jimmy.solid", Method: "POST", Path: "/api/offers", Key: "k1"}
	for range 2 {
		response, replayed, err := s.Do(ctx, key, func(policy.Tx) (policy.Response, error) {
			fmt.Println("runs")
			return policy.Response{Status: 201, Body: []byte("{}")}, nil
		})
		fmt.Println(response.Status, replayed, err)
	}
	fmt.Println(errors.Join(db.Close(), os.RemoveAll(folder)))
	// Output:
	// runs
	// 201 false <nil>
	// 201 true <nil>
	// <nil>
}
