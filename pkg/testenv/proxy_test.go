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

// echo starts a server that sends its name, then echoes its input.
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
				defer conn.Close() //nolint:errcheck // The test has ended.
				_, _ = io.WriteString(conn, name)
				_, _ = io.Copy(conn, conn)
			})
		}
	})
	t.Cleanup(func() { _ = listener.Close(); serving.Wait() })
	return listener.Addr().String()
}

// dial connects until the test ends.
func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func read(t *testing.T, conn net.Conn, want string, within time.Duration) error {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(conn, got); err != nil {
		return err
	}
	if string(got) != want {
		t.Errorf("read %q, want %q", got, want)
	}
	return nil
}

func write(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

const soon, never = 10 * time.Second, 100 * time.Millisecond

func TestProxyForwardsUntilCut(t *testing.T) {
	p := testenv.StartProxy(t, echo(t, "one"))
	conn := dial(t, p.Addr())
	write(t, conn, " two")
	if err := read(t, conn, "one two", soon); err != nil {
		t.Fatal(err)
	}
	p.Cut()
	if err := read(t, conn, "x", soon); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v from a cut connection, want a reset", err)
	}
	if err := read(t, dial(t, p.Addr()), "one", soon); err != nil {
		t.Errorf("connect after a cut: %v", err)
	}
}

func TestBlockedProxyWithholdsData(t *testing.T) {
	p := testenv.StartProxy(t, echo(t, "one"))
	before := dial(t, p.Addr())
	if err := read(t, before, "one", soon); err != nil {
		t.Fatal(err)
	}
	p.Block()
	write(t, before, " two")
	after := dial(t, p.Addr())
	for name, conn := range map[string]net.Conn{"old": before, "new": after} {
		if err := read(t, conn, "x", never); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v from the %s connection, want a timeout", err, name)
		}
	}
	p.Unblock()
	if err := read(t, before, " two", soon); err != nil {
		t.Error(err)
	}
	if err := read(t, after, "one", soon); err != nil {
		t.Error(err)
	}
}

func TestRetargetedProxyKeepsOldConnections(t *testing.T) {
	p := testenv.StartProxy(t, echo(t, "one"))
	before := dial(t, p.Addr())
	if err := read(t, before, "one", soon); err != nil {
		t.Fatal(err)
	}
	p.Retarget(echo(t, "other"))
	if err := read(t, dial(t, p.Addr()), "other", soon); err != nil {
		t.Error(err)
	}
	write(t, before, "still")
	if err := read(t, before, "still", soon); err != nil {
		t.Error(err)
	}
}

func TestProxyWithoutTargetResets(t *testing.T) {
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	p := testenv.StartProxy(t, gone.Addr().String())
	conn, err := net.Dial("tcp", p.Addr()) // the reset may arrive before Dial returns
	if err == nil {
		err = read(t, conn, "x", soon)
		_ = conn.Close()
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v without a target, want a reset", err)
	}
}

func TestBlockedProxyStopsWithItsTest(t *testing.T) {
	t.Run("blocked", func(t *testing.T) {
		p := testenv.StartProxy(t, echo(t, "one"))
		conn := dial(t, p.Addr())
		if err := read(t, conn, "one", soon); err != nil {
			t.Fatal(err)
		}
		p.Block()
		write(t, conn, "two")
		dial(t, p.Addr())
	})
}
