package main_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley.internal/portal/portaltest"
)

const patience = 2 * time.Minute

func TestMain(m *testing.M) { os.Exit(portaltest.Main(m)) }

// TestKilledDuringPurchasesNothingIsLostOrDoubled has programs buy offers, and
// try again with the same key until they are answered, while parley is killed.
func TestKilledDuringPurchasesNothingIsLostOrDoubled(t *testing.T) {
	const purchases, buyers, kills = 1000, 8, 6
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p := portaltest.New(t, "parley", "PARLEY_DATA="+t.TempDir()).Start()
	jimmy := portaltest.SignedIn(t, p.URL(), "jimmy.solid", "secret")

	var answered sync.Map // policy number -> true
	var next, done atomic.Int64
	var wg sync.WaitGroup
	for range buyers {
		wg.Go(func() {
			for n := next.Add(1); n <= purchases && ctx.Err() == nil; n = next.Add(1) {
				policy := purchase(ctx, jimmy, n)
				if _, twice := answered.LoadOrStore(policy, true); twice {
					t.Errorf("two purchases were answered with policy %s", policy)
				}
				done.Add(1)
			}
		})
	}
	for kill := range kills {
		// Somewhere in the middle of each share of the purchases.
		at := int64(purchases*(2*kill+1)/(2*kills) + rand.IntN(purchases/kills/4))
		for done.Load() < at && ctx.Err() == nil {
			portaltest.Pause(ctx)
		}
		pid := p.PID()
		p.Kill()
		p.Start()
		if p.PID() == pid {
			t.Fatal("parley was not killed")
		}
	}
	wg.Wait()
	if ctx.Err() != nil {
		t.Fatalf("%d of %d purchases were answered in time\n%s", done.Load(), purchases, p.Log())
	}

	policies, err := jimmy.Policies(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, number := range policies {
		if _, ok := answered.Load(number); !ok {
			t.Errorf("policy %s was made and no purchase was answered with it", number)
		}
	}
	if len(policies) != purchases {
		t.Errorf("%d purchases were answered, and there are %d policies", purchases, len(policies))
	}
	notices := noticed(ctx, t, jimmy, purchases)
	for i, e := range notices {
		if e.Sequence != int64(i+1) || e.Body != "jimmy.solid just sold policy for TRI!!!" {
			t.Fatalf("entry %d of the company feed is number %d: %q", i+1, e.Sequence, e.Body)
		}
	}
	if len(notices) != purchases {
		t.Errorf("%d policies were sold, and %d notices are there", purchases, len(notices))
	}
}

// purchase buys an offer for 98.00, again and again with one key.
func purchase(ctx context.Context, c *portaltest.Client, n int64) (policy string) {
	offer := portaltest.Insist(ctx, func() (string, error) { return c.Offer(ctx) })
	return portaltest.Insist(ctx, func() (string, error) { return c.Buy(ctx, offer, fmt.Sprint("purchase-", n)) })
}

// noticed reads the company feed when it holds n notices, or the last of them
// does not come.
func noticed(ctx context.Context, t *testing.T, c *portaltest.Client, n int) (notices []portaltest.Entry) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for len(notices) < n && ctx.Err() == nil {
		portaltest.Pause(ctx)
		entries, _, err := c.Since(ctx, "2020-01-01T00:00:00Z")
		if err != nil {
			continue
		}
		notices = nil
		for _, e := range entries {
			if e.Stream == "Company" {
				notices = append(notices, e)
			}
		}
	}
	return notices
}

func TestParleyExplainsWhyItDoesNotStart(t *testing.T) {
	data := t.TempDir()
	running := portaltest.New(t, "parley", "PARLEY_DATA="+data).Start()
	free := t.TempDir()
	broken := filepath.Join(t.TempDir(), "agents.json")
	if err := os.WriteFile(broken, []byte(`{"agents":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		env  []string
		args []string
		says string
	}{
		"the data is in use":         {env: []string{"PARLEY_DATA=" + data}, says: "another parley works in"},
		"the address is":             {env: []string{"PARLEY_ADDR=" + strings.TrimPrefix(running.URL(), "http://")}, says: "address already in use"},
		"a short secret":             {env: []string{"AUTH_SECRET=short"}, says: "must be at least 32 bytes"},
		"a wildcard for an origin":   {env: []string{"ALLOWED_ORIGINS=*"}, says: "allowed origin \"*\""},
		"a limit in words":           {env: []string{"CHAT_CONNECTIONS=many"}, says: "Connections"},
		"a limit below nothing":      {env: []string{"CHAT_MESSAGE_RATE=-1"}, says: "from 0 to a million"},
		"a limit that is no number":  {env: []string{"CHAT_MESSAGE_RATE=NaN"}, says: "from 0 to a million"},
		"a limit beyond measure":     {env: []string{"CHAT_CONNECT_RATE=+Inf"}, says: "from 0 to a million"},
		"an agents file of nobody":   {env: []string{"PARLEY_AGENTS=" + broken}, says: "lists no agents"},
		"an agents file that isn't":  {env: []string{"PARLEY_AGENTS=/nowhere"}, says: "read agents"},
		"a database of another make": {env: []string{"POLICY_DATABASE_URL=mysql://x"}, says: "neither sqlite"},
		"an argument":                {args: []string{"--port"}, says: "unknown arguments"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			cmd := portaltest.Command("parley", tt.args...)
			defer context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })()
			cmd.Env = append(os.Environ(), "PARLEY_DATA="+free, "PARLEY_ADDR=127.0.0.1:0")
			cmd.Env = append(cmd.Env, tt.env...)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), tt.says) || strings.Contains(string(out), "goroutine") {
				t.Errorf("error %v: %s", err, out)
			}
		})
	}
}

func TestTheSecretIsForItsUserAlone(t *testing.T) {
	data := filepath.Join(t.TempDir(), "new")
	p := portaltest.New(t, "parley", "PARLEY_DATA="+data).Start()
	jimmy := portaltest.SignedIn(t, p.URL(), "jimmy.solid", "secret")
	info, err := os.Stat(filepath.Join(data, "secret"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, error %v", info, err)
	}
	p.Kill()
	p.Start()
	if _, err := jimmy.Policies(t.Context()); err != nil {
		t.Errorf("a token does not outlive a restart: %v", err)
	}
}

func TestAHashedPasswordSignsIn(t *testing.T) {
	cmd := portaltest.Command("parley", "hash-password")
	cmd.Stdin = strings.NewReader("correct horse\n")
	hash, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "agents.json")
	agents := fmt.Sprintf(`{"agents":[{"login":"anna","name":"Anna","avatar":"/a.svg","roles":["SALESMAN"],"password":%q}]}`,
		strings.TrimSpace(string(hash)))
	if err := os.WriteFile(file, []byte(agents), 0o600); err != nil {
		t.Fatal(err)
	}
	p := portaltest.New(t, "parley", "PARLEY_DATA="+t.TempDir(), "PARLEY_AGENTS="+file).Start()
	portaltest.SignedIn(t, p.URL(), "anna", "correct horse")
	demo := &portaltest.Client{URL: p.URL()}
	if err := demo.SignIn(t.Context(), "jimmy.solid", "secret"); err == nil {
		t.Error("the demo agents are let in beside one's own")
	}
}
