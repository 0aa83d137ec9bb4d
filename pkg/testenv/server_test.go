package testenv

import (
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestMissingProgramNamesInstaller(t *testing.T) {
	t.Setenv("PATH", "")
	_, err := program("/nowhere/*/no-such-server")
	if err == nil || !strings.Contains(err.Error(), "no-such-server is not installed: `make test`") {
		t.Errorf("got error %v, want a hint at make test", err)
	}
}

func TestStartRetriesWithOtherPort(t *testing.T) {
	attempts := 0
	r, err := started(func() (*redis, error) {
		attempts++
		r, err := newRedis("no")
		if err == nil && attempts == 1 {
			var taken net.Listener
			taken, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", r.port.address())
			t.Cleanup(func() { _ = taken.Close() })
		}
		return r, err
	})
	if err != nil {
		t.Fatal(err)
	}
	newServer(t, r.process)
	if attempts != 2 {
		t.Errorf("got %d attempts, want 2", attempts)
	}
}

func TestFailedStartShowsLog(t *testing.T) {
	r, err := newRedis("no")
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, r.process)
	r.args = []string{"--no-such-option", "1"}
	if err := r.start(); err == nil || !strings.Contains(err.Error(), "no-such-option") {
		t.Errorf("got error %v, want the log with no-such-option", err)
	}
	if s.PID() != 0 {
		t.Error("failed server has a process")
	}
	for name, err := range map[string]error{"stop": r.end(), "freeze": r.freeze(), "thaw": r.thaw()} {
		if err == nil {
			t.Errorf("%s succeeds for a server that is not running", name)
		}
	}
}

func TestRabbitMQFromEnvironment(t *testing.T) {
	n, err := sharedBroker()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TEST_RABBITMQ_URL", n.url("ignored"))
	if got := RabbitMQ(t); got != n.url("ignored") {
		t.Errorf("got URL %s without the management API, want the one of the environment", got)
	}
	t.Setenv("TEST_RABBITMQ_MANAGEMENT_URL", n.management().base)
	got := RabbitMQ(t)
	if !strings.HasPrefix(got, n.url("test-")) {
		t.Errorf("got URL %s with the management API, want a new vhost", got)
	}
	api := n.management()
	vhost := strings.TrimPrefix(got, n.url(""))
	if err := api.do(t.Context(), http.MethodGet, "vhosts/"+vhost, ""); err != nil {
		t.Error(err)
	}
}

func TestPortIsReservedOnce(t *testing.T) {
	p, err := newPort()
	if err != nil {
		t.Fatal(err)
	}
	again := &port{number: p.number}
	if err := again.reserve(); err == nil {
		t.Error("a reserved port was reserved again")
	}
	p.release()
	if err := again.reserve(); err != nil {
		t.Errorf("reserve a released port: %v", err)
	}
	again.release()
}
