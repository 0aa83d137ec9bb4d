package testenv_test

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"parley.internal/pkg/testenv"
)

// echo is a server that says what it is told, after its name.
func echo(t *testing.T, name string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close() //nolint:errcheck // It has served.
				_, _ = io.WriteString(conn, name)
				_, _ = io.Copy(conn, conn)
			})
		}
	})
	t.Cleanup(func() { _ = listener.Close(); serving.Wait() })
	return listener.Addr().String()
}

// dial connects, and closes before the proxy ends.
func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func hear(t *testing.T, conn net.Conn, want string, within time.Duration) error {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(conn, got); err != nil {
		return err
	}
	if string(got) != want {
		t.Errorf("heard %q, want %q", got, want)
	}
	return nil
}

func say(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

const soon, never = 10 * time.Second, 100 * time.Millisecond

func TestAProxyPassesThingsOnUntilItIsCut(t *testing.T) {
	p := testenv.StartProxy(t, echo(t, "one"))
	conn := dial(t, p.Addr())
	say(t, conn, " two")
	if err := hear(t, conn, "one two", soon); err != nil {
		t.Fatal(err)
	}
	p.Cut()
	if err := hear(t, conn, "x", soon); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a connection that was cut ends with %v", err)
	}
	if err := hear(t, dial(t, p.Addr()), "one", soon); err != nil {
		t.Error("after a cut nobody can connect:", err)
	}
}

func TestABlockedProxyHoldsBackWhatItThenPassesOn(t *testing.T) {
	p := testenv.StartProxy(t, echo(t, "one"))
	before := dial(t, p.Addr())
	if err := hear(t, before, "one", soon); err != nil {
		t.Fatal(err)
	}
	p.Block()
	say(t, before, " two")
	after := dial(t, p.Addr())
	for name, conn := range map[string]net.Conn{"old": before, "new": after} {
		if err := hear(t, conn, "x", never); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the %s connection is not blocked: %v", name, err)
		}
	}
	p.Unblock()
	if err := hear(t, before, " two", soon); err != nil {
		t.Error(err)
	}
	if err := hear(t, after, "one", soon); err != nil {
		t.Error(err)
	}
}

func TestAProxyLeadsNewConnectionsElsewhere(t *testing.T) {
	p := testenv.StartProxy(t, echo(t, "one"))
	before := dial(t, p.Addr())
	if err := hear(t, before, "one", soon); err != nil {
		t.Fatal(err)
	}
	p.Retarget(echo(t, "other"))
	if err := hear(t, dial(t, p.Addr()), "other", soon); err != nil {
		t.Error(err)
	}
	say(t, before, "still")
	if err := hear(t, before, "still", soon); err != nil {
		t.Error(err)
	}
}

func TestAProxyToNobodyResets(t *testing.T) {
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	p := testenv.StartProxy(t, gone.Addr().String())
	conn, err := net.Dial("tcp", p.Addr()) // The reset may be there before it returns.
	if err == nil {
		err = hear(t, conn, "x", soon)
		_ = conn.Close()
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a connection to nobody ends with %v", err)
	}
}

func TestAProxyEndsWithItsTestWhateverIsUnderWay(t *testing.T) {
	t.Run("blocked", func(t *testing.T) {
		p := testenv.StartProxy(t, echo(t, "one"))
		conn := dial(t, p.Addr())
		if err := hear(t, conn, "one", soon); err != nil {
			t.Fatal(err)
		}
		p.Block()
		say(t, conn, "two")
		dial(t, p.Addr())
	})
}
