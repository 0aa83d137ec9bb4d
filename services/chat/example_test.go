package chat_test

import (
	"context"
	"strings"
	"testing"

	"parley.internal/api"
	"parley.internal/chat"
	"parley.internal/pkg/event"
)

// Each event of the contract is one that agents are told of, in words.
func TestTheContractsEventsAreTold(t *testing.T) {
	files, err := api.Files.ReadDir("examples/events")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d examples, error %v", len(files), err)
	}
	var told []string
	var router event.Router[any]
	chat.Announce(&router, func(_ context.Context, _ any, _ event.Message, stream, text string) error {
		told = append(told, stream+": "+text)
		return nil
	})
	for _, file := range files {
		t.Run(file.Name(), func(t *testing.T) {
			told = nil
			data, err := api.Files.ReadFile("examples/events/" + file.Name())
			if err != nil {
				t.Fatal(err)
			}
			name := strings.TrimSuffix(file.Name(), ".json")
			if err := router.Dispatch(t.Context(), nil, event.Message{ID: "1", Type: name, Data: data}); err != nil {
				t.Fatal(err)
			}
			if len(told) != 1 || strings.Contains(told[0], "  ") {
				t.Errorf("told %q", told)
			}
		})
	}
	if n := len(router.Types()); n != len(files) {
		t.Errorf("%d events are told and %d have an example", n, len(files))
	}
}
