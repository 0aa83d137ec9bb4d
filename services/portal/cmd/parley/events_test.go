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

// operate runs a command to its end, with the settings of a program.
func operate(t *testing.T, stdin string, env []string, program string, args ...string) (stdout, stderr string, code int) {
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

// figure is a sum over a metric's lines that hold some text; -1 if there is none.
func figure(t *testing.T, url, metric, text string) float64 {
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
		t.Fatalf("/metrics answers %d, %v", response.StatusCode, err)
	}
	sum := -1.0
	for line := range strings.Lines(string(body)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "} ")
		if strings.HasPrefix(name, metric+"{") && strings.Contains(name, text) {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			sum = max(sum, 0) + n
		}
	}
	return sum
}

func moves(t *testing.T, url, metric, text string, to float64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for figure(t, url, metric, text) != to {
		if ctx.Err() != nil {
			t.Fatalf("%s{%s} is %v, not %v", metric, text, figure(t, url, metric, text), to)
		}
		portaltest.Pause(ctx)
	}
}

// TestAnOperatorWatchesAndMendsEvents has a queue that keeps what nobody handles,
// and does what the README tells an operator.
func TestAnOperatorWatchesAndMendsEvents(t *testing.T) {
	env := []string{
		"PARLEY_DATA=" + t.TempDir(), "RABBITMQ_URL=" + testenv.RabbitMQ(t), "EVENTS_QUEUES=lab-payments-service-AccountOpened",
	}
	p := portaltest.New(t, "parley", env...).Start()
	jimmy := portaltest.SignedIn(t, p.URL(), "jimmy.solid", "secret")
	if policy := purchase(t.Context(), jimmy, 1); policy == "" {
		t.Fatal("nothing was sold")
	}
	moves(t, p.URL(), "parley_outbox_published_events", `service="policy"`, 1)
	moves(t, p.URL(), "parley_inbox_deduplication_ids", `service="chat"`, 1)
	moves(t, p.URL(), "parley_broker_connection_up", `connection="publishing"`, 1)
	moves(t, p.URL(), "parley_http_requests_total", `route="/api/policies",status="201"`, 1)

	// Something that chat cannot read is dead, and chat goes on.
	line := `{"type":"PolicyCreated","id":"broken-1","data":{"taxId":"8501"}}` + "\n" +
		`{"type":"AccountOpened","id":"account-1","data":{}}` + "\n"
	if out, problems, code := operate(t, line, env, "parley", "publish"); code != 0 {
		t.Fatalf("publish ends with %d: %s%s", code, out, problems)
	}
	moves(t, p.URL(), "parley_inbox_dead_letters", `type="PolicyCreated"`, 1)
	moves(t, p.URL(), "parley_inbox_events_total", `result="failed"`, 1)
	moves(t, p.URL(), "parley_inbox_events_total", `result="handled"`, 1)
	out, _, code := operate(t, "", env, "parley", "dead", "--list", "--json")
	if code != 0 || !strings.Contains(out, `"service":"chat"`) || !strings.Contains(out, "broken-1") || strings.Contains(out, "8501") {
		t.Errorf("dead ends with %d: %s", code, out)
	}
	if out, _, code := operate(t, "", env, "parley", "show", "broken-1"); code != 0 || !strings.Contains(out, "8501") {
		t.Errorf("show ends with %d: %s", code, out)
	}
	if out, _, code := operate(t, "", env, "parley", "replay", "--id", "broken-1", "--dry-run"); code != 0 || !strings.Contains(out, "would replay") {
		t.Errorf("a dry run ends with %d: %s", code, out)
	}
	if out, problems, code := operate(t, "", env, "parley", "doctor"); code != 0 || !strings.Contains(out, "no consumer; 1 messages ready") {
		t.Errorf("doctor ends with %d: %s%s", code, out, problems)
	}
	for want, args := range map[int][]string{2: {"lagg"}, 1: {"show", "nothing"}, 0: {"lag"}} {
		if out, problems, code := operate(t, "", env, "parley", args...); code != want {
			t.Errorf("%q ends with %d: %s%s", args, code, out, problems)
		}
	}
	p.Stop()
	if strings.Contains(p.Log(), "8501") {
		t.Error("a body is in the log")
	}
}

// TestTheServicesAreOperatedAlone has policyd and chatd answer for themselves,
// without the secret that they need to serve.
func TestTheServicesAreOperatedAlone(t *testing.T) {
	broker, folder := testenv.RabbitMQ(t), t.TempDir()
	secret := "AUTH_SECRET=" + strings.Repeat("s", 32)
	policy := []string{"RABBITMQ_URL=" + broker, "POLICY_DATABASE_URL=sqlite:" + folder + "/policy.db"}
	chat := []string{"RABBITMQ_URL=" + broker, "CHAT_DATABASE_URL=sqlite:" + folder + "/chat.db"}
	if _, problems, code := operate(t, "", policy, "policyd", "lag"); code != 1 || !strings.Contains(problems, "policy.db") {
		t.Errorf("before its first start lag ends with %d: %s", code, problems)
	}
	policyd := portaltest.New(t, "policyd", append(policy, secret)...).Start()
	chatd := portaltest.New(t, "chatd", append(chat, secret)...).Start()
	moves(t, policyd.URL(), "parley_relay_leader", `service="policy"`, 1)
	moves(t, chatd.URL(), "parley_broker_connection_up", `connection="lab-chat-service"`, 1)
	for program, env := range map[string][]string{"policyd": policy, "chatd": chat} {
		out, problems, code := operate(t, "", env, program, "lag", "--json")
		if code != 0 || !strings.Contains(out, `"service":"`+strings.TrimSuffix(program, "d")+`"`) {
			t.Errorf("%s events lag ends with %d: %s%s", program, code, out, problems)
		}
	}
	malformed := portaltest.Command("policyd")
	malformed.Env = append(os.Environ(), append(policy, secret, "POLICY_ADDR=127.0.0.1:0", "EVENTS_QUEUES=nonsense")...)
	if out, err := malformed.CombinedOutput(); err == nil || !strings.Contains(string(out), "nonsense") {
		t.Errorf("a queue that is none is answered with %v: %s", err, out)
	}
	chatd.Stop()
	policyd.Stop()
}

// An operator who stops a service does not wait for a broker that is frozen, not
// even for what is just being published.
func TestAFrozenBrokerDoesNotHoldUpTheEnd(t *testing.T) {
	const most = 4 * time.Second // Three are promised; the machine is busy.
	broker := testenv.StartRabbitMQ(t)
	p := portaltest.New(t, "parley", "PARLEY_DATA="+t.TempDir(), "RABBITMQ_URL="+broker.URL()).Start()
	moves(t, p.URL(), "parley_broker_connection_up", `connection="publishing"`, 1)
	moves(t, p.URL(), "parley_broker_connection_up", `connection="lab-chat-service"`, 1)
	jimmy := portaltest.SignedIn(t, p.URL(), "jimmy.solid", "secret")
	broker.Freeze()
	defer broker.Thaw()
	if policy := purchase(t.Context(), jimmy, 1); policy == "" {
		t.Fatal("nothing was sold")
	}
	moves(t, p.URL(), "parley_outbox_pending_events", `service="policy"`, 1)
	begun := time.Now()
	p.Stop()
	if took := time.Since(begun); took > most {
		t.Errorf("it took %v\n%s", took, p.Log())
	}
	broker.Thaw()
	p.Start() // What was not confirmed is published again, and takes effect once.
	moves(t, p.URL(), "parley_outbox_pending_events", `service="policy"`, 0)
	moves(t, p.URL(), "parley_inbox_deduplication_ids", `service="chat"`, 1)
}
