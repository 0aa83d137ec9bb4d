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

// redis sends a command and returns the first line of the answer.
func redis(url, command string, within time.Duration) (string, error) {
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(url, "redis://"), within)
	if err != nil {
		return "", err
	}
	defer conn.Close() //nolint:errcheck // It has served.
	if err := conn.SetDeadline(time.Now().Add(within)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, command+"\r\n"); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(line), err
}

func answers(t *testing.T, url, command, want string) {
	t.Helper()
	if got, err := redis(url, command, soon); err != nil || got != want {
		t.Errorf("%s: got %q, %v, want %q", command, got, err, want)
	}
}

func TestEachCallGetsARedisOfItsOwn(t *testing.T) {
	here, there := testenv.Redis(t), testenv.Redis(t)
	answers(t, here, "SET k v", "+OK")
	answers(t, there, "EXISTS k", ":0")
	answers(t, there, "PUBLISH c m", ":0")
}

func TestARedisThatIsGivenIsUsed(t *testing.T) {
	t.Setenv("TEST_REDIS_URL", "redis://elsewhere:6379/3")
	if got := testenv.Redis(t); got != "redis://elsewhere:6379/3" {
		t.Errorf("got %s", got)
	}
}

func TestWhatIsDoneToRedis(t *testing.T) {
	s := testenv.StartRedis(t)

	t.Run("frozen it answers nobody, thawed it goes on", func(t *testing.T) {
		s.Freeze()
		if _, err := redis(s.URL(), "PING", never); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("it answers: %v", err)
		}
		s.Thaw()
		answers(t, s.URL(), "PING", "+PONG")
	})

	for name, end := range map[string]func(){"killed": s.Kill, "stopped": s.Stop} {
		t.Run(name+" and started it has its data", func(t *testing.T) {
			answers(t, s.URL(), "SET k "+name, "+OK")
			end()
			if _, err := redis(s.URL(), "PING", never); err == nil {
				t.Error("it answers")
			}
			s.Start()
			answers(t, s.URL(), "DEL k", ":1")
		})
	}
}
