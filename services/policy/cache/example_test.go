package cache_test

import (
	"context"
	"fmt"

	"parley.internal/policy"
	"parley.internal/policy/cache"
)

func ExampleCache_Drop() {
	name := "Safe Driver"
	c := cache.New(func(context.Context) (policy.Catalogue, error) {
		return policy.Catalogue{Products: []policy.Product{{Code: "CAR", Name: name}}}, nil
	}, nil)
	show := func() {
		car, err := c.Product(context.Background(), policy.Agent{}, "CAR")
		fmt.Println(car.Name, err)
	}
	show()
	name = "Happy Driver"
	show()
	c.Drop()
	show()
	// Output:
	// Safe Driver <nil>
	// Safe Driver <nil>
	// Happy Driver <nil>
}
