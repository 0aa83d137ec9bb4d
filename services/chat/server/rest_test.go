package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.internal/chat"
	"parley.internal/chat/server"
	"parley.internal/pkg/contract/contracttest"
	"parley.internal/pkg/database/databasetest"
	"parley.internal/pkg/signalr/signalrtest"
)

func TestStreamsAreReadInPages(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		s := start(t, url(t))
		var all []chat.Entry
		for i := range 7 {
			all = append(all, s.post("anna", fmt.Sprint(i)))
		}
		var streams struct {
			Items []chat.Stream `json:"items"`
			Next  *string       `json:"next"`
		}
		s.request("jimmy", "GET", "/api/streams?limit=1", nil, &streams)
		want := []chat.Stream{{ID: chat.General, Kind: chat.Room, Title: "General", Head: 7, Unread: 7}}
		if diff := cmp.Diff(want, streams.Items); diff != "" || streams.Next == nil {
			t.Fatalf("first page, next %v (-want +got):\n%s", streams.Next, diff)
		}
		s.request("jimmy", "GET", "/api/streams?cursor="+*streams.Next, nil, &streams)
		if len(streams.Items) != 2 || streams.Items[1].ID != "Own:jimmy" || streams.Next != nil {
			t.Errorf("second page: got %+v, want 2 streams without a next page", streams)
		}

		for query, want := range map[string][][]chat.Entry{
			"":                 {all},
			"after=0&limit=3":  {all[0:3], all[3:6], all[6:]},
			"after=5":          {all[5:]},
			"after=7":          {{}},
			"after=99999":      {{}},
			"before=0&limit=3": {all[4:], all[1:4], all[:1]},
			"before=4&limit=3": {all[:3]},
			"before=1":         {{}},
		} {
			var pages [][]chat.Entry
			for cursor := ""; ; {
				var page struct {
					Items []chat.Entry `json:"items"`
					Next  *string      `json:"next"`
				}
				s.request("jimmy", "GET", "/api/streams/General/entries?"+query+cursor, nil, &page)
				pages = append(pages, page.Items)
				if page.Next == nil {
					break
				}
				cursor = "&cursor=" + *page.Next
			}
			if diff := cmp.Diff(want, pages); diff != "" {
				t.Errorf("pages of entries with %q (-want +got):\n%s", query, diff)
			}
		}
		for path, want := range map[string]struct {
			status int
			code   string
		}{
			"nowhere/entries":                              {404, "stream-unknown"},
			"Own:anna/entries":                             {404, "stream-unknown"},
			"%00/entries":                                  {404, "stream-unknown"},
			"General/entries?after=1&before=2":             {400, "query-invalid"},
			"General/entries?cursor=x":                     {400, "query-invalid"},
			"General/entries?cursor=YQBi":                  {400, "query-invalid"}, // a null byte inside
			"General/entries?limit=1001":                   {400, "request-invalid"},
			"General/entries?after=-1":                     {400, "request-invalid"},
			"General/entries?after=9999999999999999999999": {400, "request-invalid"},
		} {
			if status, code := s.request("jimmy", "GET", "/api/streams/"+path, nil, nil); status != want.status || code != want.code {
				t.Errorf("%s: got status %d %s, want %d %s", path, status, code, want.status, want.code)
			}
		}
	})
}

func TestAnnouncements(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		s := start(t, url(t), func(cfg *server.Config) { cfg.Agents = []server.Agent{{Login: "jimmy"}, {Login: "danny"}} })
		type announcement struct {
			ID      string   `json:"id"`
			Streams []string `json:"streams"`
		}
		tests := map[string]struct {
			login, body string
			status      int
			code        string
			streams     []string
		}{
			"to all agents":             {body: `{"text":"1","audience":"all"}`, status: 202, streams: []string{"Company"}},
			"to an offline agent":       {body: `{"text":"2","audience":"jimmy"}`, status: 202, streams: []string{"Own:jimmy"}},
			"to two agents":             {body: `{"text":"3","audience":["jimmy","danny"],"clientId":"x"}`, status: 202, streams: []string{"Own:danny", "Own:jimmy"}},
			"to an unknown agent":       {body: `{"text":"4","audience":["jimmy","nobody"]}`, status: 404, code: "agent-unknown"},
			"without the role ADMIN":    {login: "jimmy", body: `{"text":"5","audience":"all"}`, status: 403, code: "forbidden"},
			"to an empty audience":      {body: `{"text":"6","audience":[]}`, status: 400, code: "request-invalid"},
			"without an audience":       {body: `{"text":"7"}`, status: 400, code: "request-invalid"},
			"without a text":            {body: `{"audience":"all"}`, status: 400, code: "request-invalid"},
			"with a blank text":         {body: `{"text":"  ","audience":"all"}`, status: 400, code: "text-empty"},
			"with an id for other text": {body: `{"text":"8","audience":"jimmy","clientId":"x"}`, status: 422, code: "client-id-reused"},
		}
		for _, name := range []string{"to all agents", "to an offline agent", "to two agents", "to two agents"} {
			tt := tests[name]
			var got announcement
			status, code := s.request("admin", "POST", "/api/notifications", json.RawMessage(tt.body), &got)
			if diff := cmp.Diff(tt.streams, got.Streams); status != 202 || diff != "" || got.ID == "" {
				t.Errorf("announcement %s: got status %d %s, streams (-want +got):\n%s", name, status, code, diff)
			}
		}
		for name, tt := range tests {
			if tt.status == http.StatusAccepted {
				continue
			}
			if tt.login == "" {
				tt.login = "admin"
			}
			if status, code := s.request(tt.login, "POST", "/api/notifications", json.RawMessage(tt.body), nil); status != tt.status || code != tt.code {
				t.Errorf("announcement %s: got status %d %s, want %d %s", name, status, code, tt.status, tt.code)
			}
		}
		for login, want := range map[string][]string{"jimmy": {"2", "3"}, "danny": {"3"}} {
			if diff := cmp.Diff(want, bodies(s.stream(login, "Own:"+login, 0))); diff != "" {
				t.Errorf("own feed of %s (-want +got):\n%s", login, diff)
			}
		}
		if diff := cmp.Diff([]string{"1"}, bodies(s.stream("danny", chat.Company, 0))); diff != "" {
			t.Errorf("company feed (-want +got):\n%s", diff)
		}
	})
}

func TestAgentsAreListedWithPresence(t *testing.T) {
	s := start(t, sqlite(t), func(cfg *server.Config) {
		cfg.Agents = []server.Agent{{Login: "zoe", Name: "Zoe", Avatar: "/z.svg"}}
	})
	in := json.RawMessage(`{"agents":[{"login":"bob","name":"Bob","avatar":""}]}`)
	if status, _ := s.request("jimmy", "PUT", "/api/agents", in, nil); status != http.StatusForbidden {
		t.Errorf("introduction by a salesman: got status %d, want 403", status)
	}
	for range 2 {
		if status, code := s.introduce(in); status != http.StatusNoContent {
			t.Errorf("introduction by an admin: got status %d %s, want 204", status, code)
		}
	}
	jimmy := s.connect(t, signalrtest.Microsoft, "jimmy", time.Hour)
	jimmy.invoke(nil, "Join") // After the result the connection is counted.
	var page struct {
		Items []chat.Agent `json:"items"`
		Next  *string      `json:"next"`
	}
	s.request("admin", "GET", "/api/agents?limit=3", nil, &page)
	states := func() (all []string) {
		for _, a := range page.Items {
			seen := "seen"
			if a.At == nil {
				seen = "never seen"
			}
			all = append(all, fmt.Sprintf("%s %q %s %s", a.Login, a.Name, a.State, seen))
		}
		return all
	}
	want := []string{`admin "ADMIN" offline seen`, `bob "Bob" offline never seen`, `jimmy "JIMMY" online seen`}
	if diff := cmp.Diff(want, states()); diff != "" || page.Next == nil {
		t.Fatalf("first page of agents, next %v (-want +got):\n%s", page.Next, diff)
	}
	s.request("admin", "GET", "/api/agents?limit=3&cursor="+*page.Next, nil, &page)
	if diff := cmp.Diff([]string{`zoe "Zoe" offline never seen`}, states()); diff != "" || page.Next != nil {
		t.Errorf("last page of agents, next %v (-want +got):\n%s", page.Next, diff)
	}
	if err := jimmy.Stop(withTimeout(t)); err != nil {
		t.Error(err)
	}
}

func (s *service) introduce(agents json.RawMessage) (int, string) {
	s.t.Helper()
	return s.request("admin", "PUT", "/api/agents", agents, nil)
}

func TestResponsesFitTheContract(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		s := start(t, url(t), func(cfg *server.Config) { cfg.Agents = []server.Agent{{Login: "jimmy"}} })
		s.post("admin", "hello")
		seen := contracttest.Explore(t, s.contract, contracttest.Service{
			URL: s.url, Client: &http.Client{Timeout: timeout}, Token: s.token("admin", time.Hour),
			Known: map[string][]any{
				"id":       {chat.General, chat.Company},
				"audience": {"all", "jimmy", []any{"jimmy", "admin"}},
				"since":    {"2026-11-21T09:30:00Z"},
			},
		})
		for operation, status := range map[string]int{
			"listStreams": 200, "listEntries": 200, "readSince": 200, "postMessage": 201, "notify": 202, "listAgents": 200, "introduceAgents": 204,
		} {
			if seen[operation][status] == 0 {
				t.Errorf("%s: got statuses %v, want %d among them", operation, seen[operation], status)
			}
		}
		http.DefaultTransport.(*http.Transport).CloseIdleConnections() //nolint:forcetypeassert // The default transport has this type.
	})
}

func TestInvalidRequestListsAllErrors(t *testing.T) {
	s := start(t, sqlite(t))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/api/notifications",
		strings.NewReader(`{"text":7,"audience":[""]}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+s.token("admin", time.Hour))
	response, err := s.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var problem struct {
		Code   string `json:"code"`
		Errors []struct {
			Pointer string `json:"pointer"`
		} `json:"errors"`
	}
	if err := json.NewDecoder(response.Body).Decode(&problem); err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusBadRequest || problem.Code != "request-invalid" || len(problem.Errors) < 2 {
		t.Errorf("got status %d, problem %+v, want 400 request-invalid with two errors", response.StatusCode, problem)
	}
}
