package main_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"parley.internal/pkg/testenv"
	"parley.internal/portal/portaltest"
)

// events runs the events command of a program to its end.
func events(t *testing.T, stdin string, env []string, program string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := portaltest.Command(program, append([]string{"events"}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, problems strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &problems
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return out.String(), problems.String(), exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), problems.String(), 0
}

// metricSum returns the sum over a metric's lines with the given labels, or -1 without
// any line.
func metricSum(t *testing.T, url, metric, labels string) float64 {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Timeout: patience}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("/metrics: got status %d, error %v", response.StatusCode, err)
	}
	sum := -1.0
	for line := range strings.Lines(string(body)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "} ")
		if strings.HasPrefix(name, metric+"{") && strings.Contains(name, labels) {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			sum = max(sum, 0) + n
		}
	}
	return sum
}

// wantMetric waits until a metric has a value.
func wantMetric(t *testing.T, url, metric, labels string, want float64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for metricSum(t, url, metric, labels) != want {
		if ctx.Err() != nil {
			t.Fatalf("%s{%s}: got %v, want %v", metric, labels, metricSum(t, url, metric, labels), want)
		}
		portaltest.Pause(ctx)
	}
}

// TestOperatorFindsDeadLettersAndReplays has a queue without a consumer and a dead
// letter, and runs the README's commands for operators.
func TestOperatorFindsDeadLettersAndReplays(t *testing.T) {
	env := []string{
		"PARLEY_DATA=" + t.TempDir(), "RABBITMQ_URL=" + testenv.RabbitMQ(t), "EVENTS_QUEUES=lab-payments-service-AccountOpened",
	}
	p := portaltest.New(t, "parley", env...).Start()
	jimmy := portaltest.SignedIn(t, p.URL(), "jimmy.solid", "secret")
	if policy := purchase(t.Context(), jimmy, 1); policy == "" {
		t.Fatal("the purchase failed")
	}
	wantMetric(t, p.URL(), "parley_outbox_published_events", `service="policy"`, 1)
	wantMetric(t, p.URL(), "parley_inbox_deduplication_ids", `service="chat"`, 1)
	wantMetric(t, p.URL(), "parley_broker_connection_up", `connection="publishing"`, 1)
	wantMetric(t, p.URL(), "parley_http_requests_total", `route="/api/policies",status="201"`, 1)

	// An invalid event becomes a dead letter; later events are handled.
	line := `{"type":"PolicyCreated","id":"broken-1","data":{"taxId":"8501"}}` + "\n" +
		`{"type":"AccountOpened","id":"account-1","data":{}}` + "\n"
	if out, problems, code := events(t, line, env, "parley", "publish"); code != 0 {
		t.Fatalf("publish: got exit code %d: %s%s", code, out, problems)
	}
	wantMetric(t, p.URL(), "parley_inbox_dead_letters", `type="PolicyCreated"`, 1)
	wantMetric(t, p.URL(), "parley_inbox_events_total", `result="failed"`, 1)
	wantMetric(t, p.URL(), "parley_inbox_events_total", `result="handled"`, 1)
	out, _, code := events(t, "", env, "parley", "dead", "--list", "--json")
	if code != 0 || !strings.Contains(out, `"service":"chat"`) || !strings.Contains(out, "broken-1") || strings.Contains(out, "8501") {
		t.Errorf("dead: got exit code %d: %s", code, out)
	}
	if out, _, code := events(t, "", env, "parley", "show", "broken-1"); code != 0 || !strings.Contains(out, "8501") {
		t.Errorf("show: got exit code %d: %s", code, out)
	}
	if out, _, code := events(t, "", env, "parley", "replay", "--id", "broken-1", "--dry-run"); code != 0 || !strings.Contains(out, "would replay") {
		t.Errorf("replay --dry-run: got exit code %d: %s", code, out)
	}
	if out, problems, code := events(t, "", env, "parley", "doctor"); code != 0 || !strings.Contains(out, "no consumer; 1 messages ready") {
		t.Errorf("doctor: got exit code %d: %s%s", code, out, problems)
	}
	for want, args := range map[int][]string{2: {"lagg"}, 1: {"show", "nothing"}, 0: {"lag"}} {
		if out, problems, code := events(t, "", env, "parley", args...); code != want {
			t.Errorf("%q: got exit code %d: %s%s", args, code, out, problems)
		}
	}
	p.Stop()
	if strings.Contains(p.Log(), "8501") {
		t.Error("the log contains the body of an event")
	}
}

// TestEventsCommandOfEachService runs the commands of policyd and chatd without the
// secret that serving needs.
func TestEventsCommandOfEachService(t *testing.T) {
	broker, folder := testenv.RabbitMQ(t), t.TempDir()
	secret := "AUTH_SECRET=" + strings.Repeat("s", 32)
	policy := []string{"RABBITMQ_URL=" + broker, "POLICY_DATABASE_URL=sqlite:" + folder + "/policy.db"}
	chat := []string{"RABBITMQ_URL=" + broker, "CHAT_DATABASE_URL=sqlite:" + folder + "/chat.db"}
	if _, problems, code := events(t, "", policy, "policyd", "lag"); code != 1 || !strings.Contains(problems, "policy.db") {
		t.Errorf("lag before the first start: got exit code %d: %s", code, problems)
	}
	policyd := portaltest.New(t, "policyd", append(policy, secret)...).Start()
	chatd := portaltest.New(t, "chatd", append(chat, secret)...).Start()
	wantMetric(t, policyd.URL(), "parley_relay_leader", `service="policy"`, 1)
	wantMetric(t, chatd.URL(), "parley_broker_connection_up", `connection="lab-chat-service"`, 1)
	for program, env := range map[string][]string{"policyd": policy, "chatd": chat} {
		out, problems, code := events(t, "", env, program, "lag", "--json")
		if code != 0 || !strings.Contains(out, `"service":"`+strings.TrimSuffix(program, "d")+`"`) {
			t.Errorf("%s events lag: got exit code %d: %s%s", program, code, out, problems)
		}
	}
	malformed := portaltest.Command("policyd")
	malformed.Env = append(os.Environ(), append(policy, secret, "POLICY_ADDR=127.0.0.1:0", "EVENTS_QUEUES=nonsense")...)
	if out, err := malformed.CombinedOutput(); err == nil || !strings.Contains(string(out), "nonsense") {
		t.Errorf("EVENTS_QUEUES=nonsense: got error %v: %s", err, out)
	}
	chatd.Stop()
	policyd.Stop()
}

// TestFrozenBrokerDoesNotDelayStop stops parley while publishes wait for confirms.
func TestFrozenBrokerDoesNotDelayStop(t *testing.T) {
	const limit = 4 * time.Second // Three are promised; the machine is busy.
	broker := testenv.StartRabbitMQ(t)
	p := portaltest.New(t, "parley", "PARLEY_DATA="+t.TempDir(), "RABBITMQ_URL="+broker.URL()).Start()
	wantMetric(t, p.URL(), "parley_broker_connection_up", `connection="publishing"`, 1)
	wantMetric(t, p.URL(), "parley_broker_connection_up", `connection="lab-chat-service"`, 1)
	jimmy := portaltest.SignedIn(t, p.URL(), "jimmy.solid", "secret")
	broker.Freeze()
	defer broker.Thaw()
	if policy := purchase(t.Context(), jimmy, 1); policy == "" {
		t.Fatal("the purchase failed")
	}
	wantMetric(t, p.URL(), "parley_outbox_pending_events", `service="policy"`, 1)
	begun := time.Now()
	p.Stop()
	if took := time.Since(begun); took > limit {
		t.Errorf("stop took %v, want at most %v\n%s", took, limit, p.Log())
	}
	broker.Thaw()
	p.Start() // What was not confirmed is published again, and takes effect once.
	wantMetric(t, p.URL(), "parley_outbox_pending_events", `service="policy"`, 0)
	wantMetric(t, p.URL(), "parley_inbox_deduplication_ids", `service="chat"`, 1)
}
