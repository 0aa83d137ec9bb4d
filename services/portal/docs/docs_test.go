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

// lines returns a page's table rows and message headings in order, without
// descriptions.
func lines(page string) (all []string) {
	const cell = `<td>(?:<code>)?(.*?)(?:</code>)?</td>`
	shown := regexp.MustCompile(`<tr>` + cell + cell + cell + `|<h[34][^>]*>(.*?)(?:<small>(.*?))?:`)
	for _, line := range shown.FindAllStringSubmatch(page, -1) {
		all = append(all, html.UnescapeString(strings.Trim(strings.Join(line[1:], " "), " ")))
	}
	return all
}

// wantLines checks for consecutive lines of a page.
func wantLines(t *testing.T, path string, want ...string) {
	t.Helper()
	got := strings.Join(lines(get(t, path).Body.String()), "\n")
	if !strings.Contains(got+"\n", strings.Join(want, "\n")+"\n") {
		t.Errorf("%s: got lines\n%s\nwant among them\n%s", path, got, strings.Join(want, "\n"))
	}
}

func TestEventPageShowsPayloadAndExample(t *testing.T) {
	wantLines(t, "/docs/events",
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
		t.Error("/docs/events lacks the example of PolicyCreated")
	}
}

func TestHubPageShowsCallsOfBothSides(t *testing.T) {
	wantLines(t, "/docs/hubs",
		"Send the client calls",
		"streamID string yes",
		"clientId string yes",
		"body string yes",
		"sendOptions object no",
		"sendOptions.replyTo integer no",
		"SendResult",
	)
	wantLines(t, "/docs/hubs",
		"Presence the server calls",
		"argument 1 list of object yes",
		"argument 1[].login string yes",
		"argument 1[].state online | offline yes",
	)
	wantLines(t, "/docs/hubs", "cursors object no", "cursors.*.sequence integer yes")
}

// TestEveryLinkWorks follows all links from the start page.
func TestEveryLinkWorks(t *testing.T) {
	links := regexp.MustCompile(`(?:href|src|spec-url)="(/[^"]*)"`)
	seen := map[string]bool{}
	var visit func(path string)
	visit = func(path string) {
		if seen[path] || path == docs.Script { // The web app serves the script.
			return
		}
		seen[path] = true
		w := get(t, path)
		if w.Code != http.StatusOK {
			t.Errorf("%s: got status %d, want 200", path, w.Code)
		}
		policy := w.Header().Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'; script-src 'self';") {
			t.Errorf("%s: got Content-Security-Policy %q", path, policy)
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
			t.Errorf("no page links to %s", page)
		}
	}
}

func TestContractFilesAreServedUnchanged(t *testing.T) {
	err := fs.WalkDir(api.Files, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		want, err := fs.ReadFile(api.Files, file)
		if w := get(t, "/docs/api/"+file); w.Code != http.StatusOK || w.Body.String() != string(want) {
			t.Errorf("%s: got status %d or another content", file, w.Code)
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
			t.Errorf("%s: got status %d, want %d", path, w.Code, status)
		}
	}
}
