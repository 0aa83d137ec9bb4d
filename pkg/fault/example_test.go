package fault_test

import (
	"errors"
	"fmt"

	"parley.internal/pkg/fault"
)

var errExpired = fault.New(fault.Conflict, "offer-expired", "Offer %s has expired")

func Example() {
	err := fmt.Errorf("buy: %w", errExpired.With("7"))

	fmt.Println(errors.Is(err, errExpired))
	fmt.Println(fault.Of(err).Code, "-", fault.Of(err).Detail)
	fmt.Println(fault.Of(errors.New("dial tcp 10.0.0.1: refused")).Detail)
	// Output:
	// true
	// offer-expired - Offer 7 has expired
	// something went wrong on our side
}
