package retry_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"parley.internal/pkg/retry"
)

func ExampleBackoff() {
	failures := 2
	connect := func() error {
		if failures--; failures >= 0 {
			return errors.New("no connection")
		}
		return nil
	}
	backoff := retry.Backoff{First: time.Millisecond, Limit: 10 * time.Millisecond}
	for err := connect(); err != nil; err = connect() {
		fmt.Println(err)
		backoff.Wait(context.Background())
	}
	backoff.Reset()
	fmt.Println("connected")
	// Output:
	// no connection
	// no connection
	// connected
}
