package docs_test

import (
	"html"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"parley.internal/api"
	"parley.internal/portal/docs"
)

func get(t *testing.T, path string) *httptest.ResponseRecorder {
	t.Helper()
	handler, err := docs.Handler()
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

// lines are a page's rows of tables and headings of messages, in its order,
// without descriptions.
func lines(page string) (all []string) {
	const cell = `<td>(?:<code>)?(.*?)(?:</code>)?</td>`
	shown := regexp.MustCompile(`<tr>` + cell + cell + cell + `|<h[34][^>]*>(.*?)(?:<small>(.*?))?:`)
	for _, line := range shown.FindAllStringSubmatch(page, -1) {
		all = append(all, html.UnescapeString(strings.Trim(strings.Join(line[1:], " "), " ")))
	}
	return all
}

// has looks for lines that follow each other.
func has(t *testing.T, path string, want ...string) {
	t.Helper()
	got := strings.Join(lines(get(t, path).Body.String()), "\n")
	if !strings.Contains(got+"\n", strings.Join(want, "\n")+"\n") {
		t.Errorf("%s shows\n%s\nwant in it\n%s", path, got, strings.Join(want, "\n"))
	}
}

func TestAnEventIsShownWithAllOfItsPayload(t *testing.T) {
	has(t, "/docs/events",
		"PolicyCreated published by policy",
		"policyNumber string yes",
		"productCode string yes",
		"policyFrom string, date yes",
		"policyTo string, date yes",
		"policyHolder object yes",
		"policyHolder.firstName string yes",
	)
	example, err := fs.ReadFile(api.Files, "examples/events/PolicyCreated.json")
	if err != nil {
		t.Fatal(err)
	}
	if page := html.UnescapeString(get(t, "/docs/events").Body.String()); !strings.Contains(page, ">"+string(example)+"</pre>") {
		t.Error("the example is not there")
	}
}

func TestAHubsMessagesAreShownWithWhoCallsThem(t *testing.T) {
	has(t, "/docs/hubs",
		"Send the client calls",
		"streamID string yes",
		"clientId string yes",
		"body string yes",
		"sendOptions object no",
		"sendOptions.replyTo integer no",
		"SendResult",
	)
	has(t, "/docs/hubs",
		"Presence the server calls",
		"argument 1 list of object yes",
		"argument 1[].login string yes",
		"argument 1[].state online | offline yes",
	)
	has(t, "/docs/hubs", "cursors object no", "cursors.*.sequence integer yes")
}

// TestEveryLinkLeadsSomewhere visits the pages that can be reached.
func TestEveryLinkLeadsSomewhere(t *testing.T) {
	links := regexp.MustCompile(`(?:href|src|spec-url)="(/[^"]*)"`)
	seen := map[string]bool{}
	var visit func(path string)
	visit = func(path string) {
		if seen[path] || path == docs.Script { // The script is the web app's.
			return
		}
		seen[path] = true
		w := get(t, path)
		if w.Code != http.StatusOK {
			t.Errorf("%s answers %d", path, w.Code)
		}
		policy := w.Header().Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'; script-src 'self';") {
			t.Errorf("%s may do %q", path, policy)
		}
		if strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
			for _, link := range links.FindAllStringSubmatch(w.Body.String(), -1) {
				visit(link[1])
			}
		}
	}
	visit(docs.Path)
	for _, page := range []string{"policy", "chat", "session", "events", "hubs", "api/", "api/openapi/portal.yaml"} {
		if !seen[docs.Path+page] {
			t.Errorf("nothing leads to %s", page)
		}
	}
}

func TestTheContractIsServedAsItIs(t *testing.T) {
	err := fs.WalkDir(api.Files, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		want, err := fs.ReadFile(api.Files, file)
		if w := get(t, "/docs/api/"+file); w.Code != http.StatusOK || w.Body.String() != string(want) {
			t.Errorf("%s answers %d", file, w.Code)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	for path, status := range map[string]int{
		"/docs/api/schemas/Nothing.yaml": http.StatusNotFound, "/docs/nothing": http.StatusNotFound,
	} {
		if w := get(t, path); w.Code != status {
			t.Errorf("%s answers %d", path, w.Code)
		}
	}
}
