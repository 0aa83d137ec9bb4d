package systemtest

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"parley.internal/pkg/signalr/signalrtest"
	"parley.internal/portal/portaltest"
)

const (
	maxSteps = 80 // functions from the purchase's body to the write to the socket
	minLines = 6  // of a function's body; shorter functions are not listed
	idleTime = 2 * time.Second
)

// TestPurchaseIsDescribedStepByStep compares the list in services/README.md with the
// functions that one purchase enters, as counted by coverage counters in the program.
// Neither the middleware and the database's package nor functions that an idle program
// enters, too, must be listed.
func TestPurchaseIsDescribedStepByStep(t *testing.T) {
	repository, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	idle, bought := enteredFunctions(t, repository)
	steps, afterwards := describedFunctions(t, filepath.Join(repository, "services/README.md"))
	if len(steps) > maxSteps {
		t.Errorf("%d functions are listed, want at most %d", len(steps), maxSteps)
	}
	described := func(name string) bool { return steps[name] || afterwards[name] }
	entered := make(map[string]bool)
	for _, f := range bought {
		entered[f.name()] = true
		if f.isStep() && !idle[f.place] && !described(f.name()) {
			t.Errorf("%s is entered and not listed (%s, %d lines)", f.name(), f.place, f.lines)
		}
	}
	for name := range steps {
		if !entered[name] {
			t.Errorf("%s is listed and not entered", name)
		}
	}
}

// function is a function that was entered.
type function struct {
	place    string // file and line
	receiver string
	method   string
	lines    int // of code in the body
}

// name returns Type.method or package.function.
func (f function) name() string {
	if f.receiver == "" {
		return path.Base(path.Dir(f.place)) + "." + f.method
	}
	return f.receiver + "." + f.method
}

// isStep reports whether the function belongs to the purchase and is long enough for
// the list.
func (f function) isStep() bool {
	for _, other := range []string{"pkg/auth", "pkg/database", "pkg/telemetry", "portal", "pkg/web/middleware.go"} {
		if strings.HasPrefix(f.place, "parley.internal/"+other) {
			return false
		}
	}
	return f.lines >= minLines
}

var codeSpan = regexp.MustCompile("`([A-Za-z]+\\.[A-Za-z]+)`")

// describedFunctions returns the functions in the table of a page: those before the
// write to the socket, and those of the last row.
func describedFunctions(t *testing.T, page string) (steps, afterwards map[string]bool) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "## A purchase, step by step")
	section, _, ended := strings.Cut(section, "\n## ")
	before, after, split := strings.Cut(section, "| **Afterwards**")
	if !found || !ended || !split {
		t.Fatal("services/README.md has no table of a purchase")
	}
	names := func(rows string) map[string]bool {
		all := make(map[string]bool)
		for row := range strings.Lines(rows) {
			if cells := strings.Split(row, "|"); len(cells) > 2 {
				for _, match := range codeSpan.FindAllStringSubmatch(cells[len(cells)-2], -1) {
					all[match[1]] = true
				}
			}
		}
		return all
	}
	return names(before), names("| **Afterwards**" + after)
}

// enteredFunctions builds the portal with counters, and returns the functions that it
// enters while it is idle, by place, and from the request of a purchase until an agent
// has received the notice.
func enteredFunctions(t *testing.T, repository string) (idle map[string]bool, bought []function) {
	t.Helper()
	ctx := deadline(t)
	folder := t.TempDir()
	build := exec.Command("go", "build", "-cover", "-covermode=atomic",
		"-coverpkg=parley.internal/pkg/...,parley.internal/policy/...,parley.internal/chat/...,parley.internal/portal/...",
		"-o", folder+"/", "parley.internal/portal/systemtest/counted")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build with counters: %v\n%s", err, out)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	parley := portaltest.New(t, "parley", "PARLEY_DATA="+folder+"/data", "COUNTERS_ADDR="+address, "GOCOVERDIR="+folder)
	parley.Path = folder + "/counted"
	parley.Start()
	counters := func(request string) {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+request, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("counters %s: status %d, error %v", request, response.StatusCode, err)
		}
	}
	written := func(name string) []function {
		t.Helper()
		counted := filepath.Join(folder, name)
		if err := os.Mkdir(counted, 0o700); err != nil {
			t.Fatal(err)
		}
		counters("/write?folder=" + url.QueryEscape(counted))
		return coveredFunctions(t, repository, counted)
	}
	jimmy := portaltest.SignedIn(t, parley.URL(), "jimmy.solid", "secret")
	hub := signalrtest.Start(t, signalrtest.Microsoft, parley.URL()+"/hub", jimmy.Token, signalrtest.Options{})
	if err := hub.On(ctx, "Entry"); err != nil {
		t.Fatal(err)
	}
	if err := hub.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	if err := hub.Invoke(ctx, nil, "Join"); err != nil {
		t.Fatal(err)
	}
	offer, err := jimmy.Offer(ctx)
	if err != nil {
		t.Fatal(err)
	}
	// The loops of an idle program have run once after this time; if one has not, the
	// test fails because its function is not listed.
	pause := func() {
		select {
		case <-time.After(idleTime):
		case <-ctx.Done():
		}
	}
	pause()
	counters("/clear")
	pause()
	idle = make(map[string]bool)
	for _, f := range written("idle") {
		idle[f.place] = true
	}
	counters("/clear")
	if _, err := jimmy.Buy(ctx, offer, "key"); err != nil {
		t.Fatal(err)
	}
	if _, err := hub.WaitFor(ctx, signalrtest.CallOf("Entry")); err != nil {
		t.Fatal(err)
	}
	return idle, written("bought")
}

var covered = regexp.MustCompile(`(?m)^(parley\.internal/(\w+)/(\S+)):(\d+):\s+(?:\*?(\w+)\.)?(\w+)\s+(\S+)%$`)

// coveredFunctions reads the functions with a counter above zero. In the place of a
// generic type, the tool prints the method alone.
func coveredFunctions(t *testing.T, repository, folder string) (all []function) {
	t.Helper()
	out, err := exec.Command("go", "tool", "covdata", "func", "-i="+folder).Output()
	if err != nil {
		t.Fatalf("read the counters: %v", err)
	}
	roots := map[string]string{"pkg": "pkg", "policy": "services/policy", "chat": "services/chat", "portal": "services/portal"}
	for _, m := range covered.FindAllStringSubmatch(string(out), -1) {
		file, module, rest, number, receiver, method := m[1], m[2], m[3], m[4], m[5], m[6]
		if m[7] == "0.0" || strings.HasSuffix(rest, "/counted/main.go") {
			continue
		}
		source, err := os.ReadFile(filepath.Join(repository, roots[module], rest))
		if err != nil {
			t.Fatal(err)
		}
		line, err := strconv.Atoi(number)
		if err != nil {
			t.Fatal(err)
		}
		head, lines := bodyOf(source, line)
		if g := genericReceiver.FindSubmatch(head); receiver == "" && g != nil {
			receiver = string(g[1])
		}
		all = append(all, function{place: fmt.Sprintf("%s:%d", file, line), receiver: receiver, method: method, lines: lines})
	}
	if len(all) == 0 {
		t.Fatalf("no function was entered:\n%s", out)
	}
	return all
}

var genericReceiver = regexp.MustCompile(`^func \(\w+ \*?(\w+)\[`)

// bodyOf returns the first line of the function at a line of a formatted file, and the
// number of lines in its body that are neither blank nor a comment.
func bodyOf(source []byte, line int) (head []byte, lines int) {
	rest := bytes.Split(source, []byte("\n"))[line-1:]
	head = rest[0]
	if bytes.HasSuffix(head, []byte("}")) {
		return head, 1
	}
	for _, l := range rest[1:] {
		if string(l) == "}" {
			break
		}
		if l = bytes.TrimSpace(l); len(l) > 0 && !bytes.HasPrefix(l, []byte("//")) {
			lines++
		}
	}
	return head, lines
}
