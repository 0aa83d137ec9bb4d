// Package verify holds the files of a deployment to the programs that they
// deploy, without a container engine: the engines' own parsers read them.
//
// It is tests alone, and a module outside the workspace, so that the parsers'
// needs do not raise the product's.
package verify
