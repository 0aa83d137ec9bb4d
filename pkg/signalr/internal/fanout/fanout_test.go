package fanout_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"parley.internal/pkg/signalr/internal/fanout"
	"parley.internal/pkg/signalr/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client is a connection that reads a batch whenever the test says so.
type client struct {
	fanout.Queue

	turns chan struct{} // a batch is read per element; closed: all batches are
	read  [][]byte
	fail  error
	ended chan error
}

func admit(t *testing.T, f *fanout.Fanout) *client {
	t.Helper()
	c := &client{turns: make(chan struct{}), ended: make(chan error, 1)}
	c.Init(f, c)
	c.Admit(wire.JSONLongPolling, "", []byte("{}\x1e"))
	synctest.Wait()
	t.Cleanup(func() {
		c.readAll()
		c.Close()
		c.Remove()
		f.Wait()
	})
	return c
}

func (c *client) WriteWait(batch [][]byte, wrote func(bytes int)) error {
	<-c.turns
	if c.fail != nil {
		return c.fail
	}
	for _, piece := range batch {
		c.read = append(c.read, piece)
		wrote(len(piece))
	}
	return nil
}

func (c *client) WriteFailed(err error) { c.ended <- err }

// readAll lets the client read everything from now on.
func (c *client) readAll() {
	select {
	case <-c.turns:
	default:
		close(c.turns)
	}
}

// records returns the records that the client has read.
func (c *client) records() []string {
	text := string(slices.Concat(c.read...))
	return strings.Split(strings.TrimSuffix(text, "\x1e"), "\x1e")
}

func message(t *testing.T, target, text string) *wire.Message {
	t.Helper()
	m, err := wire.NewMessage(wire.Message{Kind: wire.Invocation, Target: target}, text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func group(name string) fanout.Audience { return fanout.Audience{Scope: fanout.Group, Name: name} }

// TestWaitingFramesRetainLittleMemory broadcasts much to a group and excludes a blocked member from
// most broadcasts.
func TestWaitingFramesRetainLittleMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fanout.New(1 << 20)
		slow, other := admit(t, f), admit(t, f)
		slow.Join("g")
		other.Join("g")
		long := message(t, "Told", strings.Repeat("x", 8<<10))
		for i := range 2000 {
			a, m := group("g"), message(t, "Told", "short")
			if i%8 != 0 {
				a.Except, m = []*fanout.Queue{&slow.Queue}, long
			}
			if lagging := f.Broadcast(a, m); len(lagging) > 0 {
				t.Fatalf("broadcast %d lags", i)
			}
			other.turns <- struct{}{} // stays one message behind
			synctest.Wait()
		}
		slow.readAll()
		synctest.Wait()
		waiting, kept := 0, 0
		for _, piece := range slow.read {
			waiting += len(piece)
			kept += cap(piece)
		}
		if got := len(slow.records()); got != 251 || kept > 2*waiting {
			t.Errorf("%d records of %d bytes retained %d bytes", got, waiting, kept)
		}
	})
}

func TestFramesArriveInTheOrderOfSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fanout.New(1 << 20)
		c := admit(t, f)
		c.Join("a")
		c.Join("b")
		want := []string{"{}"}
		for i := range 300 {
			text := strings.Repeat("x", i)
			m := message(t, "Told", text)
			want = append(want, strings.TrimSuffix(string(wire.JSONLongPolling.Encode(m)), "\x1e"))
			switch i % 4 {
			case 0:
				f.Broadcast(group("a"), m)
			case 1:
				f.Broadcast(group("b"), m)
			case 2:
				f.Broadcast(fanout.Audience{}, m)
			default:
				c.Send(wire.JSONLongPolling.Encode(m))
			}
			if i == 200 { // from here on the client catches up
				c.readAll()
			}
		}
		synctest.Wait()
		if got := c.records(); !slices.Equal(got, want) {
			t.Errorf("got %d records, want %d in the order of sending", len(got), len(want))
		}
	})
}

func TestLaggingConnectionLeavesTheGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fanout.New(1 << 20)
		slow, quick := admit(t, f), admit(t, f)
		quick.readAll()
		synctest.Wait()
		a := group("g")
		a.LeaveLagging, a.Within = true, 100
		slow.Join("g")
		quick.Join("g")
		m := message(t, "Told", strings.Repeat("x", 90))
		lagging := f.Broadcast(a, m)
		if len(lagging) != 1 || lagging[0] != fanout.Connection(slow) {
			t.Errorf("got %d lagging connections, want the slow client", len(lagging))
		}
		synctest.Wait()
		if again := f.Broadcast(a, m); len(again) != 0 {
			t.Errorf("got %d lagging connections after the slow client left", len(again))
		}
		if !slow.Send([]byte("own\x1e")) {
			t.Error("the slow client's queue is sealed, want it kept")
		}
		slow.readAll()
		synctest.Wait()
		if got := slow.records(); !slices.Equal(got, []string{"{}", "own"}) {
			t.Errorf("the slow client got %q", got)
		}
		if got := len(quick.records()); got != 3 {
			t.Errorf("the quick client got %d records, want 3", got)
		}
	})
}

func TestLaggingQueueIsSealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fanout.New(200)
		c := admit(t, f)
		m := message(t, "Told", strings.Repeat("x", 90))
		for i, want := range []int{0, 1, 0} {
			if got := f.Broadcast(fanout.Audience{}, m); len(got) != want {
				t.Errorf("broadcast %d: got %d lagging connections, want %d", i, len(got), want)
			}
		}
		if room, accepted := c.OfferOrWait([]byte("x"), 1000); room != nil || accepted {
			t.Errorf("a sealed queue offers room %v, accepts a frame: %t", room != nil, accepted)
		}
		c.Seal([]byte("bye\x1e"))
		c.readAll()
		if !c.Flush(nil) {
			t.Error("the queue was not flushed")
		}
		if got := c.records(); !slices.Equal(got, []string{"{}", "bye"}) {
			t.Errorf("got %q, want the first record and the last", got)
		}
	})
}

func TestFailedWriteIsReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fanout.New(1 << 20)
		c := admit(t, f)
		c.fail = errors.New("broken pipe")
		c.readAll()
		if err := <-c.ended; !errors.Is(err, c.fail) {
			t.Errorf("got error %v, want %v", err, c.fail)
		}
		c.Send([]byte("more\x1e"))
		synctest.Wait()
		if len(c.ended) > 0 || len(c.read) > 0 {
			t.Error("the queue was written to after the error")
		}
	})
}
