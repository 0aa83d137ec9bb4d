package systemtest

import (
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"parley.internal/pkg/testenv"
	"parley.internal/portal/portaltest"
)

func TestServiceWithoutBrokerReportsDegraded(t *testing.T) {
	ctx := deadline(t)
	for name, database := range map[string]string{"policyd": "POLICY_DATABASE_URL", "chatd": "CHAT_DATABASE_URL"} {
		p := portaltest.New(t, name, secret, database+"=sqlite:"+filepath.Join(t.TempDir(), "own.db")).Start()
		client := &portaltest.Client{URL: p.URL()}
		for path, want := range map[string]string{"/healthz": "alive", "/readyz": "no broker (RABBITMQ_URL)"} {
			a, err := client.Do(ctx, http.MethodGet, path, nil)
			if err != nil || a.Status != http.StatusOK || !strings.Contains(string(a.Body), want) {
				t.Errorf("%s%s: got %d %s, error %v", name, path, a.Status, a.Body, err)
			}
		}
		p.Stop()
	}
}

func TestServicesExplainFailedStart(t *testing.T) {
	for name, tt := range map[string]struct {
		program, err string
		env          []string
	}{
		"no secret":          {program: "policyd", err: "AUTH_SECRET"},
		"no secret for chat": {program: "chatd", err: "AUTH_SECRET"},
		"a short secret":     {program: "chatd", env: []string{"AUTH_SECRET=short"}, err: "must be at least 32 bytes"},
		"an invalid broker URL": {
			program: "policyd", env: []string{secret, "RABBITMQ_URL=http://me:hush@host"}, err: "not an amqp://",
		},
		"an unknown queue type": {
			program: "chatd", env: []string{secret, "RABBITMQ_URL=amqp://host", "EVENTS_QUEUE_TYPE=mirrored"}, err: "mirrored",
		},
		"an invalid service URL": {program: "parley", env: []string{"POLICY_URL=policyd:8081"}, err: "URL of the policy service"},
		"an unreachable database": {
			program: "policyd", env: []string{secret, "POLICY_DATABASE_URL=postgres://me:hush@127.0.0.1:1/x"}, err: "connection refused",
		},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := portaltest.Command(tt.program)
			cmd.Dir = t.TempDir()
			cmd.Env = append([]string{"POLICY_ADDR=127.0.0.1:0", "CHAT_ADDR=127.0.0.1:0", "PARLEY_ADDR=127.0.0.1:0"}, tt.env...)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), tt.err) || strings.Contains(string(out), "hush") {
				t.Errorf("got error %v, output %s, want %q", err, out, tt.err)
			}
		})
	}
}

func TestPortalServesWithoutItsServices(t *testing.T) {
	ctx := deadline(t)
	front := portaltest.New(t, "parley", secret, "PARLEY_DATA="+t.TempDir(),
		"POLICY_URL=http://127.0.0.1:1", "CHAT_URL=http://127.0.0.1:1").Start()
	jimmy := portaltest.SignedIn(t, front.URL(), "jimmy.solid", "secret")
	for _, path := range []string{"/api/products", "/api/messages/since?since=2026-01-01T00:00:00Z"} {
		a, err := jimmy.Do(ctx, http.MethodGet, path, nil)
		if err != nil || a.Status != http.StatusServiceUnavailable || a.Code() != "service-away" {
			t.Errorf("%s: got %d %s, error %v", path, a.Status, a.Body, err)
		}
	}
	a, err := jimmy.Do(ctx, http.MethodGet, "/readyz", nil)
	for err == nil && !strings.Contains(string(a.Body), "the chat service does not answer") && ctx.Err() == nil {
		portaltest.Pause(ctx)
		a, err = jimmy.Do(ctx, http.MethodGet, "/readyz", nil)
	}
	if err != nil || a.Status != http.StatusOK || !strings.Contains(string(a.Body), "the policy service does not answer") {
		t.Errorf("/readyz: got %d %s, error %v", a.Status, a.Body, err)
	}
}

func TestNodesStartTogetherOnEmptyDatabase(t *testing.T) {
	policies, chats := testenv.Postgres(t), testenv.Postgres(t)
	var nodes []*portaltest.Process
	for range 3 {
		nodes = append(nodes, portaltest.New(t, "policyd", secret, "POLICY_DATABASE_URL="+policies),
			portaltest.New(t, "chatd", secret, "CHAT_DATABASE_URL="+chats))
	}
	var wg sync.WaitGroup
	for _, node := range nodes {
		wg.Go(func() { node.Start() })
	}
	wg.Wait()
	if n := count(t, policies, "SELECT count(*) FROM product"); n != 5 {
		t.Errorf("got %d products, want 5", n)
	}
	if n := count(t, chats, "SELECT count(*) FROM stream"); n != 2 {
		t.Errorf("got %d streams, want 2", n)
	}
}

func TestServiceRecoversAfterDatabaseCrash(t *testing.T) {
	ctx := deadline(t)
	postgres := testenv.StartPostgres(t)
	policyd := portaltest.New(t, "policyd", secret, "POLICY_DATABASE_URL="+postgres.URL()).Start()
	front := portaltest.New(t, "parley", secret, "PARLEY_DATA="+t.TempDir(), "POLICY_URL="+policyd.URL()).Start()
	jimmy := portaltest.SignedIn(t, front.URL(), "jimmy.solid", "secret")
	waitFor := func(path string, status int, want string) {
		t.Helper()
		var a portaltest.Response
		var err error
		for a.Status != status && ctx.Err() == nil {
			if a, err = jimmy.Do(ctx, http.MethodGet, path, nil); err == nil && a.Status >= 500 && a.Status != 503 {
				t.Fatalf("%s: got %d %s", path, a.Status, a.Body)
			}
			portaltest.Pause(ctx)
		}
		if err != nil || !strings.Contains(string(a.Body), want) {
			t.Errorf("%s: got %d %s, error %v", path, a.Status, a.Body, err)
		}
	}
	waitFor("/api/products", http.StatusOK, "TRI")
	postgres.Kill()
	waitFor("/api/products", http.StatusServiceUnavailable, `"busy"`)
	for ctx.Err() == nil {
		a, err := jimmy.Do(ctx, http.MethodGet, "/readyz", nil)
		if err == nil && strings.Contains(string(a.Body), "policy: the database does not answer") {
			break
		}
		portaltest.Pause(ctx)
	}
	postgres.Start()
	waitFor("/api/products", http.StatusOK, "TRI")
	if _, err := jimmy.Offer(ctx); err != nil {
		t.Error(err)
	}
}
