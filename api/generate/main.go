// Command generate generates documents from the schemas of events and payloads:
//
//	generate API TYPES
//
// It writes API/asyncapi/events.yaml. Into the folder TYPES it writes events.json
// with the schemas of all events, and hubs.json with the schemas of all other
// payloads, from which another tool generates types.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: generate API TYPES")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(api, types string) error {
	events, err := schemasIn(filepath.Join(api, "schemas", "events"))
	if err != nil {
		return err
	}
	shared, err := schemasIn(filepath.Join(api, "schemas"))
	if err != nil {
		return err
	}
	document, err := broker(api, events)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(api, "asyncapi", "events.yaml"), document, 0o600); err != nil {
		return err
	}
	if err := write(filepath.Join(types, "hubs.json"), shared); err != nil {
		return err
	}
	all, err := events.with(shared)
	if err != nil {
		return err
	}
	return write(filepath.Join(types, "events.json"), all)
}

// write writes an OpenAPI document that contains only schemas.
func write(file string, all schemas) error {
	document, err := json.MarshalIndent(map[string]any{
		"openapi":    "3.1.0",
		"info":       map[string]any{"title": "Parley", "version": "1"},
		"paths":      map[string]any{},
		"components": map[string]any{"schemas": all},
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", file, err)
	}
	return os.WriteFile(file, document, 0o600)
}
