// Package api is the contract that everything else obeys: every payload once,
// in schemas; the HTTP, broker and hub surfaces that refer to them; an example
// of each message. It holds files and no code: what two sides share is the
// contract, not Go types.
package api

import "embed"

// Files are the contract's: schemas, openapi, asyncapi and examples.
//
//go:embed schemas openapi asyncapi examples
var Files embed.FS
