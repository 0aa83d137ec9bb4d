package chat_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"parley.internal/chat"
)

func TestSendValidatesAMessage(t *testing.T) {
	tests := map[string]struct {
		stream   string // General by default
		id, text string // id: "1" by default
		limited  bool
		err      error
	}{
		"a message":                            {text: "hello"},
		"markup":                               {text: "<script>alert(1)</script>"},
		"lines and tabs":                       {text: "a\n\tb"},
		"the longest text":                     {text: strings.Repeat("ż", chat.MaxText)},
		"one character too long":               {text: strings.Repeat("ż", chat.MaxText+1), err: chat.ErrTextTooLong},
		"an empty text":                        {text: "", err: chat.ErrTextEmpty},
		"a blank text":                         {text: " \n\t\u00a0\u200b", err: chat.ErrTextEmpty},
		"a null byte":                          {text: "a\x00b", err: chat.ErrTextBroken},
		"an escape sequence":                   {text: "\x1b[31mred", err: chat.ErrTextBroken},
		"invalid UTF-8":                        {text: "a\xff", err: chat.ErrTextBroken},
		"a client's id":                        {id: "m-1", text: "hello"},
		"an id with a space":                   {id: "m 1", text: "hello", err: chat.ErrIDInvalid},
		"an id beyond ASCII":                   {id: "ż", text: "hello", err: chat.ErrIDInvalid},
		"an id too long":                       {id: strings.Repeat("x", chat.MaxID+1), text: "hello", err: chat.ErrIDInvalid},
		"a rate limited agent":                 {text: "hello", limited: true, err: chat.ErrRateLimited},
		"the company feed":                     {stream: chat.Company, text: "hello", err: chat.ErrReadOnly},
		"the agent's own feed":                 {stream: chat.Own("jimmy.solid"), text: "hello", err: chat.ErrReadOnly},
		"another agent's feed":                 {stream: chat.Own("danny"), text: "hello", err: chat.ErrNoStream},
		"an unknown stream":                    {stream: "nowhere", text: "hello", err: chat.ErrNoStream},
		"validation precedes the rate limiter": {text: "", limited: true, err: chat.ErrTextEmpty},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var stored []chat.Draft
			sender := chat.Sender{
				Allow: func(string) bool { return !tt.limited },
				Append: func(_ context.Context, d chat.Draft) (chat.Entry, error) {
					stored = append(stored, d)
					return chat.Entry{Sequence: 1}, nil
				},
			}
			draft := chat.Draft{
				Stream: cmp.Or(tt.stream, chat.General), ID: cmp.Or(tt.id, "1"), Author: "jimmy.solid", Avatar: "/a.svg",
				Body: tt.text, ReplyTo: 3,
			}
			_, err := sender.Send(t.Context(), draft)
			if !errors.Is(err, tt.err) {
				t.Errorf("got error %v, want %v", err, tt.err)
			}
			var want []chat.Draft
			if tt.err == nil {
				draft.Kind = chat.Message
				want = []chat.Draft{draft}
			}
			if diff := gocmp.Diff(want, stored); diff != "" {
				t.Errorf("stored drafts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnnouncementGoesToItsAudience(t *testing.T) {
	tests := map[string]struct {
		to, text, id string // text: "hello", id: "1" by default
		streams      []string
		err          error
	}{
		"all agents":                   {to: `"all"`, streams: []string{chat.Company}},
		"one agent":                    {to: `"danny"`, streams: []string{"Own:danny"}},
		"duplicate logins":             {to: `["jimmy","danny","jimmy"]`, streams: []string{"Own:danny", "Own:jimmy"}},
		"an agent with login all":      {to: `["all"]`, streams: []string{"Own:all"}},
		"an empty list":                {to: `[]`, err: chat.ErrBadAudience},
		"an empty login":               {to: `""`, err: chat.ErrBadAudience},
		"a number":                     {to: `7`, err: chat.ErrBadAudience},
		"a blank text":                 {to: `"all"`, text: " ", err: chat.ErrTextEmpty},
		"an invalid id":                {to: `"all"`, id: "a b", err: chat.ErrIDInvalid},
		"a list with an unknown agent": {to: `["danny","stranger"]`, err: chat.ErrNoAgent},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var announced []chat.Draft
			sender := chat.Sender{AppendAnnouncement: func(_ context.Context, drafts []chat.Draft) error {
				announced = drafts
				if strings.Contains(tt.to, "stranger") {
					return chat.ErrNoAgent
				}
				return nil
			}}
			draft := chat.Draft{ID: cmp.Or(tt.id, "1"), Author: "admin", Body: cmp.Or(tt.text, "hello")}
			var to chat.Audience
			err := json.Unmarshal([]byte(tt.to), &to)
			if err == nil {
				_, err = sender.Announce(t.Context(), draft, to)
			}
			if !errors.Is(err, tt.err) {
				t.Fatalf("got error %v, want %v", err, tt.err)
			}
			if tt.err != nil {
				return
			}
			var want []chat.Draft
			for _, stream := range tt.streams {
				draft.Stream, draft.Kind = stream, chat.Notice
				want = append(want, draft)
			}
			if diff := gocmp.Diff(want, announced); diff != "" {
				t.Errorf("announced drafts (-want +got):\n%s", diff)
			}
		})
	}
}
