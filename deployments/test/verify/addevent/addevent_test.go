// Package addevent follows the instructions for adding an event to the letter,
// in a copy of the repository, and waits for the event's notice.
package addevent

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley.internal/verify/document"
)

// The instructions: a page and its section.
const (
	page    = ".github/CONTRIBUTING.md"
	section = "Add an event"
)

const repository = "../../../.."

const (
	mostFiles = 4
	mostLines = 40
	patience  = 30 * time.Second
)

func TestInstructionsAddAnEvent(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repository, page))
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := document.Blocks(string(text), section)
	if err != nil {
		t.Fatal(err)
	}
	folder := document.Copy(t, repository)
	if err := document.Follow(folder, blocks); err != nil {
		t.Fatal(err)
	}
	if names, lines := added(blocks); len(names) > mostFiles || lines > mostLines {
		t.Errorf("an event takes %d lines in %v, want %d lines in %d files at most", lines, names, mostLines, mostFiles)
	}
	// Like `make generate`, without installing node_modules.
	document.Run(t, folder, "make", "--old-file=frontend/node_modules", "generate")
	if out := document.Run(t, folder, "gofmt", "-d", "services/policy/event.go", "services/chat/notice.go"); out != "" {
		t.Errorf("gofmt changes\n%s", out)
	}
	document.Run(t, folder, "go", "build", "-o", "bin/", "./services/portal/cmd/parley")
	for _, file := range []string{"api/asyncapi/events.yaml", "frontend/src/api/events.gen.ts"} {
		if content, err := os.ReadFile(filepath.Join(folder, file)); err != nil || !bytes.Contains(content, []byte("PolicyRenewed")) {
			t.Errorf("%s lacks PolicyRenewed, error %v", file, err)
		}
	}

	agent := start(t, folder)
	if docs := agent.call(t, http.MethodGet, "/docs/events", nil); !strings.Contains(docs, `id="PolicyRenewed"`) {
		t.Error("/docs/events lacks PolicyRenewed")
	}
	agent.sell(t, 30)
	agent.sell(t, 365)
	agent.reads(t, "jimmy.solid just sold policy for TRI!!!", "jimmy.solid just sold policy for TRI!!!",
		"jimmy.solid renewed a policy for TRI")
}

// added returns the files that the blocks change, and the number of added lines.
func added(blocks []document.Block) (names map[string]bool, lines int) {
	names = make(map[string]bool)
	for _, b := range blocks {
		names[b.File] = true
		lines += len(b.Code)
	}
	return names, lines
}

// client calls parley's REST API as one agent.
type client struct{ url, token string }

// start runs parley until the test ends and signs an agent in.
func start(t *testing.T, folder string) *client {
	t.Helper()
	parley := exec.Command(filepath.Join(folder, "bin/parley"))
	parley.Env = []string{"PARLEY_ADDR=127.0.0.1:0", "PARLEY_DATA=" + t.TempDir()}
	var log bytes.Buffer
	parley.Stderr = &log
	out, err := parley.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parley.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = parley.Process.Kill()
		_ = parley.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_, url, found := strings.Cut(strings.TrimSpace(line), "Parley is at ")
	if !found {
		t.Fatalf("parley prints %q", line)
	}
	c := &client{url: url}
	var session struct{ Token string }
	c.read(t, http.MethodPost, "/api/session", map[string]string{"login": "jimmy.solid", "password": "secret"}, &session)
	c.token = session.Token
	return c
}

func (c *client) call(t *testing.T, method, path string, in any) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+c.token)
	response, err := (&http.Client{}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= http.StatusBadRequest {
		t.Fatalf("%s %s: %s %s %v", method, path, response.Status, answer, err)
	}
	return string(answer)
}

func (c *client) read(t *testing.T, method, path string, in, out any) {
	t.Helper()
	if err := json.Unmarshal([]byte(c.call(t, method, path, in)), out); err != nil {
		t.Fatal(err)
	}
}

// sell buys a travel policy of the given number of days.
func (c *client) sell(t *testing.T, days int) {
	t.Helper()
	var offer struct{ OfferNumber string }
	from := time.Now().UTC()
	answer := func(question, kind string, answer any) map[string]any {
		return map[string]any{"questionCode": question, "questionType": kind, "answer": answer}
	}
	c.read(t, http.MethodPost, "/api/offers", map[string]any{
		"productCode": "TRI", "policyFrom": from.Format(time.DateOnly), "policyTo": from.AddDate(0, 0, days).Format(time.DateOnly),
		"selectedCovers": []string{"C1"},
		"answers": []any{
			answer("DESTINATION", "Choice", "EUR"), answer("NUM_OF_ADULTS", "Numeric", 1), answer("NUM_OF_CHILDREN", "Numeric", 1),
		},
	}, &offer)
	c.call(t, http.MethodPost, "/api/policies", map[string]any{
		"offerNumber":         offer.OfferNumber,
		"policyHolder":        map[string]string{"firstName": "Anna", "lastName": "Nowak", "taxId": "11111111116"},
		"policyHolderAddress": map[string]string{"country": "PL", "zipCode": "00-001", "city": "Warszawa", "street": "Prosta 1"},
	})
}

// reads waits until the log holds as many entries as are wanted, and compares
// them in order.
func (c *client) reads(t *testing.T, want ...string) {
	t.Helper()
	var page struct{ Entries []struct{ Body string } }
	pause := time.NewTicker(50 * time.Millisecond)
	defer pause.Stop()
	for late := time.After(patience); len(page.Entries) < len(want); {
		select {
		case <-late:
			t.Fatalf("the log holds %v", page.Entries)
		case <-pause.C:
			c.read(t, http.MethodGet, "/api/messages/since?since=2020-01-01T00:00:00Z", nil, &page)
		}
	}
	for i, entry := range page.Entries {
		if entry.Body != want[i] {
			t.Errorf("entry %d is %q, want %q", i+1, entry.Body, want[i])
		}
	}
}
