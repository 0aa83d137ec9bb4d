package signalrtest

import (
	"context"
	"os"
	"testing"
	"time"
)

// patience is how long a browser, or a client, may take to start, or to end.
const patience = time.Minute

// Browser is a Chromium without a window. Its clients share nothing, each has a
// page of its own that comes from the hub's origin.
type Browser struct{ process *process }

// OpenBrowser starts a browser that ends with the test.
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
		late := time.AfterFunc(patience, kill)
		defer late.Stop()
		_ = p.stdin.Close() // It closes the browser then.
		wait()
	})
	return &Browser{process: p}
}
