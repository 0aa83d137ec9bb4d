// Package verify compares the files of a deployment with the deployed programs,
// without a container engine: it uses the parsers of the container engines.
//
// It contains only tests, and is a module outside the workspace, so that the
// parsers' dependencies stay out of the product.
package verify
