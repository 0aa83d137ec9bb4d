package signalrtest

import (
	"context"
	"os"
	"testing"
	"time"
)

// processTimeout limits the start and the end of a browser or a client.
const processTimeout = time.Minute

// Browser is a headless Chromium. Clients share nothing: each has a page of its own, loaded from the
// hub's origin.
type Browser struct{ process *process }

// OpenBrowser starts a browser for the duration of the test.
func OpenBrowser(tb testing.TB) *Browser {
	tb.Helper()
	chromium := os.Getenv("CHROMIUM")
	if chromium == "" {
		chromium = "/usr/bin/chromium"
	}
	if _, err := os.Stat(chromium); err != nil {
		tb.Fatalf("signalrtest: there is no %s: install Chromium, or set CHROMIUM", chromium)
	}
	ctx, kill := context.WithCancel(context.WithoutCancel(tb.Context()))
	p, wait := start(ctx, tb, "Chromium", nodeModules(tb, "playwright"))
	tb.Cleanup(func() {
		defer kill()
		late := time.AfterFunc(processTimeout, kill)
		defer late.Stop()
		_ = p.stdin.Close() // closes the browser
		wait()
	})
	return &Browser{process: p}
}
