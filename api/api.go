// Package api holds the contract of all services: schemas of all payloads,
// OpenAPI documents of the REST APIs, AsyncAPI documents of broker and hubs, and
// an example of each message. The package holds files and no code: services share the
// contract, not Go types.
package api

import "embed"

// Files holds schemas, openapi, asyncapi and examples.
//
//go:embed schemas openapi asyncapi examples
var Files embed.FS
