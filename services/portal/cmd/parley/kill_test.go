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

// TestKillsLoseAndDuplicateNoPurchase kills parley while clients buy offers and
// retry with the same idempotency key until a response arrives.
func TestKillsLoseAndDuplicateNoPurchase(t *testing.T) {
	const purchases, buyers, kills = 1000, 8, 6
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p := portaltest.New(t, "parley", "PARLEY_DATA="+t.TempDir()).Start()
	jimmy := portaltest.SignedIn(t, p.URL(), "jimmy.solid", "secret")

	var sold sync.Map // policy number -> true
	var next, done atomic.Int64
	var wg sync.WaitGroup
	for range buyers {
		wg.Go(func() {
			for n := next.Add(1); n <= purchases && ctx.Err() == nil; n = next.Add(1) {
				policy := purchase(ctx, jimmy, n)
				if _, twice := sold.LoadOrStore(policy, true); twice {
					t.Errorf("two purchases returned policy %s", policy)
				}
				done.Add(1)
			}
		})
	}
	for kill := range kills {
		// A random time in the middle of each share of the purchases.
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
		t.Fatalf("%d of %d purchases finished in time\n%s", done.Load(), purchases, p.Log())
	}

	policies, err := jimmy.Policies(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, number := range policies {
		if _, ok := sold.Load(number); !ok {
			t.Errorf("no purchase returned policy %s", number)
		}
	}
	if len(policies) != purchases {
		t.Errorf("got %d policies, want %d", len(policies), purchases)
	}
	notices := companyFeed(ctx, t, jimmy, purchases)
	for i, e := range notices {
		if e.Sequence != int64(i+1) || e.Body != "jimmy.solid just sold policy for TRI!!!" {
			t.Fatalf("entry %d of the company feed: got sequence %d: %q", i+1, e.Sequence, e.Body)
		}
	}
	if len(notices) != purchases {
		t.Errorf("got %d notices, want %d", len(notices), purchases)
	}
}

// purchase buys an offer for 98.00 and retries with one idempotency key.
func purchase(ctx context.Context, c *portaltest.Client, n int64) (policy string) {
	offer := portaltest.Retry(ctx, func() (string, error) { return c.Offer(ctx) })
	return portaltest.Retry(ctx, func() (string, error) { return c.Buy(ctx, offer, fmt.Sprint("purchase-", n)) })
}

// companyFeed returns the company feed when n notices are there, or after 30 s.
func companyFeed(ctx context.Context, t *testing.T, c *portaltest.Client, n int) (notices []portaltest.Entry) {
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

func TestParleyExplainsFailedStart(t *testing.T) {
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
		err  string
	}{
		"data folder in use":     {env: []string{"PARLEY_DATA=" + data}, err: "is in use by another parley"},
		"address in use":         {env: []string{"PARLEY_ADDR=" + strings.TrimPrefix(running.URL(), "http://")}, err: "address already in use"},
		"a short secret":         {env: []string{"AUTH_SECRET=short"}, err: "must be at least 32 bytes"},
		"a wildcard origin":      {env: []string{"ALLOWED_ORIGINS=*"}, err: "allowed origin \"*\""},
		"a limit without digits": {env: []string{"CHAT_CONNECTIONS=many"}, err: "Connections"},
		"a negative limit":       {env: []string{"CHAT_MESSAGE_RATE=-1"}, err: "out of range [0, 1000000]"},
		"a NaN limit":            {env: []string{"CHAT_MESSAGE_RATE=NaN"}, err: "out of range [0, 1000000]"},
		"an infinite limit":      {env: []string{"CHAT_CONNECT_RATE=+Inf"}, err: "out of range [0, 1000000]"},
		"an empty agents file":   {env: []string{"PARLEY_AGENTS=" + broken}, err: "lists no agents"},
		"a missing agents file":  {env: []string{"PARLEY_AGENTS=/nowhere"}, err: "read agents"},
		"an unknown database":    {env: []string{"POLICY_DATABASE_URL=mysql://x"}, err: "neither sqlite"},
		"an unknown argument":    {args: []string{"--port"}, err: "unknown arguments"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			cmd := portaltest.Command("parley", tt.args...)
			defer context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })()
			cmd.Env = append(os.Environ(), "PARLEY_DATA="+free, "PARLEY_ADDR=127.0.0.1:0")
			cmd.Env = append(cmd.Env, tt.env...)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), tt.err) || strings.Contains(string(out), "goroutine") {
				t.Errorf("got error %v, output %s, want %q", err, out, tt.err)
			}
		})
	}
}

func TestSecretIsPrivateAndSurvivesRestart(t *testing.T) {
	data := filepath.Join(t.TempDir(), "new")
	p := portaltest.New(t, "parley", "PARLEY_DATA="+data).Start()
	jimmy := portaltest.SignedIn(t, p.URL(), "jimmy.solid", "secret")
	info, err := os.Stat(filepath.Join(data, "secret"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("secret file: got %v, error %v, want mode 0600", info, err)
	}
	p.Kill()
	p.Start()
	if _, err := jimmy.Policies(t.Context()); err != nil {
		t.Errorf("use token after a restart: %v", err)
	}
}

func TestHashedPasswordSignsIn(t *testing.T) {
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
		t.Error("a demo agent could sign in beside an agents file")
	}
}
