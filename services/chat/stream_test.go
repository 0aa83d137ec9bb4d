package chat_test

import (
	"testing"

	"parley.internal/chat"
)

func TestStreamKindFollowsFromItsID(t *testing.T) {
	for stream, want := range map[string]chat.StreamKind{
		chat.General: chat.Room, chat.Company: chat.CompanyFeed, chat.Own("jimmy.solid"): chat.OwnFeed,
	} {
		if got := chat.KindOf(stream); got != want {
			t.Errorf("KindOf(%s) = %s, want %s", stream, got, want)
		}
	}
	if login, ok := chat.Owner(chat.Own("jimmy.solid")); !ok || login != "jimmy.solid" {
		t.Errorf("owner of jimmy.solid's own feed: got %q", login)
	}
}
