package console_test

import (
	"context"
	"fmt"
	"os"

	"parley.internal/pkg/console"
)

func Example() {
	c := console.Console{Program: "policyd", Out: os.Stdout, Err: os.Stdout}
	err := c.Run(context.Background(), []string{"lagg"})
	fmt.Println(err)
	// Output: policyd events has no command "lagg"; policyd events help lists them
}
