package signalrtest_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"parley.internal/pkg/signalr/signalrtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// failing records the failure of a test instead of failing.
type failing struct {
	testing.TB

	failure string
}

func (f *failing) Helper() {}

func (f *failing) Fatalf(format string, args ...any) {
	f.failure = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestMissingSoftwareIsNamed(t *testing.T) {
	t.Setenv("CHROMIUM", "/nowhere/chromium")
	for want, start := range map[string]func(tb testing.TB){
		"npm ci": func(tb testing.TB) {
			tb.Helper()
			signalrtest.Start(tb, "@nobody/signalr", "http://localhost/", "", signalrtest.Options{})
		},
		"install Chromium": func(tb testing.TB) {
			tb.Helper()
			signalrtest.OpenBrowser(tb)
		},
	} {
		f := &failing{TB: t}
		var running sync.WaitGroup
		running.Go(func() { start(f) })
		running.Wait()
		if !strings.Contains(f.failure, want) {
			t.Errorf("got failure %q, want %q", f.failure, want)
		}
	}
}

func TestConnectFailsWithoutAServer(t *testing.T) {
	for _, p := range []signalrtest.Package{signalrtest.Microsoft, signalrtest.AspNet} {
		c := signalrtest.Start(t, p, "http://127.0.0.1:1/hub", "", signalrtest.Options{})
		if err := c.Connect(t.Context()); err == nil {
			t.Errorf("%s connected without a server", p)
		}
		if got := c.Events(); len(got) != 0 {
			t.Errorf("%s reported events %v, want none", p, got)
		}
	}
}
