package eventctl_test

import (
	"context"
	"fmt"
	"os"

	"parley.internal/pkg/eventctl"
)

func Example() {
	c := eventctl.CLI{Program: "policyd", Out: os.Stdout, Err: os.Stdout}
	err := c.Run(context.Background(), []string{"lagg"})
	fmt.Println(err)
	// Output: policyd events has no command "lagg"; policyd events help lists them
}
