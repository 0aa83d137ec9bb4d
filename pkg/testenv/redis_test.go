package testenv_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"parley.internal/pkg/testenv"
)

// redis sends a command and returns the first line of the reply.
func redis(url, command string, within time.Duration) (string, error) {
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(url, "redis://"), within)
	if err != nil {
		return "", err
	}
	defer conn.Close() //nolint:errcheck // The reply was read.
	if err := conn.SetDeadline(time.Now().Add(within)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, command+"\r\n"); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(line), err
}

func wantReply(t *testing.T, url, command, want string) {
	t.Helper()
	if got, err := redis(url, command, soon); err != nil || got != want {
		t.Errorf("got reply %q and error %v to %s, want %q", got, err, command, want)
	}
}

func TestEachCallGetsOwnRedis(t *testing.T) {
	here, there := testenv.Redis(t), testenv.Redis(t)
	wantReply(t, here, "SET k v", "+OK")
	wantReply(t, there, "EXISTS k", ":0")
	wantReply(t, there, "PUBLISH c m", ":0")
}

func TestRedisFromEnvironment(t *testing.T) {
	t.Setenv("TEST_REDIS_URL", "redis://elsewhere:6379/3")
	if got := testenv.Redis(t); got != "redis://elsewhere:6379/3" {
		t.Errorf("got URL %s, want the one of the environment", got)
	}
}

func TestRedisFaults(t *testing.T) {
	s := testenv.StartRedis(t)

	t.Run("freeze and thaw", func(t *testing.T) {
		s.Freeze()
		if _, err := redis(s.URL(), "PING", never); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v from a frozen server, want a timeout", err)
		}
		s.Thaw()
		wantReply(t, s.URL(), "PING", "+PONG")
	})

	for name, end := range map[string]func(){"killed": s.Kill, "stopped": s.Stop} {
		t.Run(name+" server keeps its data", func(t *testing.T) {
			wantReply(t, s.URL(), "SET k "+name, "+OK")
			end()
			if _, err := redis(s.URL(), "PING", never); err == nil {
				t.Error("got a reply from a server that is not running")
			}
			s.Start()
			wantReply(t, s.URL(), "DEL k", ":1")
		})
	}
}
