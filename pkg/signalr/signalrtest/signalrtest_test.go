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

// failing notes how a test fails instead of failing.
type failing struct {
	testing.TB

	said string
}

func (f *failing) Helper() {}

func (f *failing) Fatalf(format string, args ...any) {
	f.said = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestWhatIsMissingSaysWhatToDo(t *testing.T) {
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
		if !strings.Contains(f.said, want) {
			t.Errorf("it said %q, want %q", f.said, want)
		}
	}
}

func TestNobodyAnswers(t *testing.T) {
	for _, p := range []signalrtest.Package{signalrtest.Microsoft, signalrtest.AspNet} {
		c := signalrtest.Start(t, p, "http://127.0.0.1:1/hub", "", signalrtest.Options{})
		if err := c.Connect(t.Context()); err == nil {
			t.Errorf("%s connected to nobody", p)
		}
		if got := c.Events(); len(got) != 0 {
			t.Errorf("%s told of %v", p, got)
		}
	}
}
