package chat_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.internal/chat"
)

func TestCursorsSurviveEncoding(t *testing.T) {
	for _, c := range []chat.Cursors{{}, {chat.General: {Sequence: 7, Tag: "x"}, chat.Own("j"): {}}} {
		got, err := chat.ParseCursors(c.String())
		if diff := cmp.Diff(c, got); err != nil || diff != "" {
			t.Errorf("decoded cursors, error %v (-want +got):\n%s", err, diff)
		}
	}
}

func TestBrokenCursorIsRejected(t *testing.T) {
	encoded := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	for _, s := range []string{
		"", "x", "7", "%%%", encoded(nil), encoded([]int{1}), encoded(map[string]any{"General": map[string]any{"s": -1}}),
		encoded(map[string]any{"General": map[string]any{"s": 3}}), encoded(map[string]any{"General": 3}),
	} {
		if c, err := chat.ParseCursors(s); !errors.Is(err, chat.ErrBadCursor) {
			t.Errorf("ParseCursors(%q) = %v, error %v, want %v", s, c, err, chat.ErrBadCursor)
		}
	}
}
