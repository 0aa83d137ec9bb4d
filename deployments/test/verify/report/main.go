// Command report prints the sizes and the prose of pkg and services. It judges
// nothing and does not fail on a large figure.
package main

import (
	"fmt"
	"io"
	"os"

	"parley.internal/verify/language"
)

func main() {
	if err := run(os.Args[1], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func run(root string, out io.Writer) error {
	files, err := language.GoFiles(root, "pkg", "services")
	if err != nil {
		return err
	}
	return language.Measure(files).Print(out)
}
