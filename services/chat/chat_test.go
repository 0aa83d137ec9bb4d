package chat_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.internal/chat"
	"parley.internal/pkg/event"
)

// announced decodes data as E, as the router would, and says what is told.
func announced[E chat.Announcement](t *testing.T, data string) (string, error) {
	t.Helper()
	var told string
	var router event.Router[any]
	event.Handle(&router, func(_ context.Context, _ any, _ event.Message, e E) error {
		stream, text := e.Notice()
		told = stream + ": " + text
		return nil
	})
	var e E
	err := router.Dispatch(t.Context(), nil, event.Message{ID: "1", Type: e.Type(), Data: []byte(data)})
	if err != nil && !event.IsPermanent(err) {
		t.Errorf("%v may mend", err)
	}
	return told, err
}

func TestAgentsAreTold(t *testing.T) {
	const policy = `{"policyNumber":"P-1","productCode":"TRI","agentLogin":"jimmy.solid","totalPremium":98.00,
		"policyHolder":{"firstName":"A","lastName":"B","taxId":"1"}}`
	tests := map[string]struct {
		announced func(*testing.T, string) (string, error)
		data      string
		want      string // "" if the event is refused
	}{
		"a sale":               {announced[chat.PolicyCreated], policy, "Company: jimmy.solid just sold policy for TRI!!!"},
		"a termination":        {announced[chat.PolicyTerminated], policy, "Company: jimmy.solid terminated policy P-1 (TRI)"},
		"a product":            {announced[chat.ProductActivated], `{"ProductCode":"PET","ProductName":"Happy Pet"}`, "Company: New product: Happy Pet (PET)"},
		"a tariff":             {announced[chat.TariffChanged], `{"productCode":"TRI"}`, "Company: Tariff changed for TRI"},
		"a commission":         {announced[chat.CommissionCalculated], `{"agentLogin":"j","policyNumber":"P-1","amount":12.5}`, "Own:j: Commission of 12.50 for policy P-1"},
		"a payment":            {announced[chat.PaymentReceived], `{"agentLogin":"j","policyNumber":"P-1","amount":98}`, "Own:j: Payment of 98.00 received for policy P-1"},
		"an amount of nothing": {announced[chat.PaymentReceived], `{"agentLogin":"j","policyNumber":"P-1","amount":0}`, "Own:j: Payment of 0.00 received for policy P-1"},

		"a sale by nobody":            {announced[chat.PolicyCreated], `{"policyNumber":"P-1","productCode":"TRI"}`, ""},
		"a sale of nothing":           {announced[chat.PolicyCreated], `{"policyNumber":"P-1","productCode":" ","agentLogin":"j"}`, ""},
		"a termination of nothing":    {announced[chat.PolicyTerminated], `{"productCode":"TRI","agentLogin":"j"}`, ""},
		"a product without a name":    {announced[chat.ProductActivated], `{"productCode":"PET"}`, ""},
		"a tariff of nothing":         {announced[chat.TariffChanged], `{}`, ""},
		"a commission without amount": {announced[chat.CommissionCalculated], `{"agentLogin":"j","policyNumber":"P-1"}`, ""},
		"an amount that is null":      {announced[chat.CommissionCalculated], `{"agentLogin":"j","policyNumber":"P-1","amount":null}`, ""},
		"an amount of a third":        {announced[chat.PaymentReceived], `{"agentLogin":"j","policyNumber":"P-1","amount":0.333}`, ""},
		"an amount with zeros":        {announced[chat.PaymentReceived], `{"agentLogin":"j","policyNumber":"P-1","amount":12.5000}`, "Own:j: Payment of 12.50 received for policy P-1"},
		"an amount in words":          {announced[chat.PaymentReceived], `{"agentLogin":"j","policyNumber":"P-1","amount":"ten"}`, ""},
		"an amount as a text":         {announced[chat.PaymentReceived], `{"agentLogin":"j","policyNumber":"P-1","amount":"10"}`, ""},
		"what is not an object":       {announced[chat.PolicyCreated], `[]`, ""},
		"a name with a null byte":     {announced[chat.TariffChanged], `{"productCode":"T\u0000"}`, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			told, err := tt.announced(t, tt.data)
			if told != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("told %q, error %v", told, err)
			}
		})
	}
}

func TestSend(t *testing.T) {
	tests := map[string]struct {
		stream   string // General by default
		id, text string
		refused  bool // by the rate limit
		err      error
	}{
		"a message":                   {text: "hello"},
		"markup is text":              {text: "<script>alert(1)</script>"},
		"lines and tabs":              {text: "a\n\tb"},
		"as long as may be":           {text: strings.Repeat("ż", chat.MaxText)},
		"one more":                    {text: strings.Repeat("ż", chat.MaxText+1), err: chat.ErrTextTooLong},
		"nothing":                     {text: "", err: chat.ErrTextEmpty},
		"blanks":                      {text: " \n\t\u00a0\u200b", err: chat.ErrTextEmpty},
		"a null byte":                 {text: "a\x00b", err: chat.ErrTextBroken},
		"an escape":                   {text: "\x1b[31mred", err: chat.ErrTextBroken},
		"bytes that are not text":     {text: "a\xff", err: chat.ErrTextBroken},
		"an id of the client":         {id: "m-1", text: "hello"},
		"an id with a blank":          {id: "m 1", text: "hello", err: chat.ErrIDInvalid},
		"an id beyond ASCII":          {id: "ż", text: "hello", err: chat.ErrIDInvalid},
		"an id that is too long":      {id: strings.Repeat("x", chat.MaxID+1), text: "hello", err: chat.ErrIDInvalid},
		"an agent who is too fast":    {text: "hello", refused: true, err: chat.ErrTooFast},
		"the company feed":            {stream: chat.Company, text: "hello", err: chat.ErrReadOnly},
		"the own feed":                {stream: chat.Own("jimmy.solid"), text: "hello", err: chat.ErrReadOnly},
		"another's feed":              {stream: chat.Own("danny"), text: "hello", err: chat.ErrNoStream},
		"no stream at all":            {stream: "nowhere", text: "hello", err: chat.ErrNoStream},
		"what is wrong is told first": {text: "", refused: true, err: chat.ErrTextEmpty},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if tt.id == "" {
				tt.id = "1"
			}
			if tt.stream == "" {
				tt.stream = chat.General
			}
			var stored []chat.Draft
			sender := chat.Sender{
				Allow: func(string) bool { return !tt.refused },
				Append: func(_ context.Context, d chat.Draft) (chat.Entry, error) {
					stored = append(stored, d)
					return chat.Entry{Sequence: 1}, nil
				},
			}
			_, err := sender.Send(t.Context(), chat.Author{Login: "jimmy.solid", Avatar: "/a.svg"},
				chat.Saying{Stream: tt.stream, ID: tt.id, Text: tt.text, ReplyTo: 3})
			if !errors.Is(err, tt.err) {
				t.Errorf("got error %v, want %v", err, tt.err)
			}
			var want []chat.Draft
			if tt.err == nil {
				want = []chat.Draft{{
					Stream: chat.General, ID: tt.id, Kind: chat.Message, Author: "jimmy.solid", Avatar: "/a.svg", Body: tt.text, ReplyTo: 3,
				}}
			}
			if diff := cmp.Diff(want, stored); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
		})
	}
}

func TestACursorComesBackAsItWasGivenOut(t *testing.T) {
	for _, c := range []chat.Cursors{{}, {chat.General: {Sequence: 7, Tag: "x"}, chat.Own("j"): {}}} {
		got, err := chat.ParseCursors(c.String())
		if diff := cmp.Diff(c, got); err != nil || diff != "" {
			t.Errorf("error %v (-want +got):\n%s", err, diff)
		}
	}
}

func TestABrokenCursorIsRefused(t *testing.T) {
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
			t.Errorf("%q gives %v, error %v", s, c, err)
		}
	}
}

func TestAStreamTellsItsKind(t *testing.T) {
	for stream, want := range map[string]chat.StreamKind{
		chat.General: chat.Room, chat.Company: chat.CompanyFeed, chat.Own("jimmy.solid"): chat.OwnFeed,
	} {
		if got := chat.KindOf(stream); got != want {
			t.Errorf("%s is a %s", stream, got)
		}
	}
	if login, ok := chat.Owner(chat.Own("jimmy.solid")); !ok || login != "jimmy.solid" {
		t.Errorf("the own feed is of %q", login)
	}
}

func TestNotify(t *testing.T) {
	tests := map[string]struct {
		to, text, id string
		streams      []string
		err          error
	}{
		"all":                      {to: `"all"`, streams: []string{chat.Company}},
		"one":                      {to: `"danny"`, streams: []string{"Own:danny"}},
		"some, each once":          {to: `["jimmy","danny","jimmy"]`, streams: []string{"Own:danny", "Own:jimmy"}},
		"one who is called all":    {to: `["all"]`, streams: []string{"Own:all"}},
		"nobody":                   {to: `[]`, err: chat.ErrBadAudience},
		"an empty name":            {to: `""`, err: chat.ErrBadAudience},
		"a number":                 {to: `7`, err: chat.ErrBadAudience},
		"nothing to tell":          {to: `"all"`, text: " ", err: chat.ErrTextEmpty},
		"an id that is none":       {to: `"all"`, id: "a b", err: chat.ErrIDInvalid},
		"an agent nobody knows of": {to: `["danny","stranger"]`, err: chat.ErrNoAgent},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if tt.text == "" {
				tt.text = "hello"
			}
			if tt.id == "" {
				tt.id = "1"
			}
			var announced []chat.Draft
			sender := chat.Sender{Announce: func(_ context.Context, drafts []chat.Draft) error {
				announced = drafts
				return map[bool]error{true: chat.ErrNoAgent}[strings.Contains(tt.to, "stranger")]
			}}
			var to chat.Audience
			err := json.Unmarshal([]byte(tt.to), &to)
			if err == nil {
				_, err = sender.Notify(t.Context(), chat.Author{Login: "admin"}, tt.id, tt.text, to)
			}
			if !errors.Is(err, tt.err) {
				t.Fatalf("got error %v, want %v", err, tt.err)
			}
			if tt.err != nil {
				return
			}
			var want []chat.Draft
			for _, stream := range tt.streams {
				want = append(want, chat.Draft{Stream: stream, ID: tt.id, Kind: chat.Notice, Author: "admin", Body: tt.text})
			}
			if diff := cmp.Diff(want, announced); diff != "" {
				t.Errorf("announced (-want +got):\n%s", diff)
			}
		})
	}
}
