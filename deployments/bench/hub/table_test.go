package hub

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// table collects what each server achieved in each round.
type table struct {
	out     io.Writer
	title   string
	order   []string
	figures map[string][]float64
}

func newTable(title string) *table {
	return &table{out: os.Stdout, title: title, figures: make(map[string][]float64)}
}

// add notes a round's figure of a server.
func (t *table) add(name string, figure float64) {
	if _, known := t.figures[name]; !known {
		t.order = append(t.order, name)
	}
	t.figures[name] = append(t.figures[name], figure)
	fmt.Fprintf(t.out, "    %-28s %12s  %s\n", name, short(figure), t.title)
}

// print shows minimum, median and maximum of each server, and its median as a
// multiple of centrifuge's.
func (t *table) print() {
	if len(t.order) == 0 {
		return
	}
	fmt.Fprintf(t.out, "\n%s (minimum, median, maximum of %d)\n", t.title, len(t.figures[t.order[0]]))
	for _, name := range t.order {
		f := t.figures[name]
		fmt.Fprintf(t.out, "  %-28s %12s %12s %12s", name, short(slices.Min(f)), short(t.median(name)), short(slices.Max(f)))
		if against := t.figures[centrifuge]; against != nil && name != centrifuge {
			fmt.Fprintf(t.out, "   %.2f x %s", t.median(name)/t.median(centrifuge), centrifuge)
		}
		fmt.Fprintln(t.out)
	}
	fmt.Fprintln(t.out)
}

func (t *table) median(name string) float64 { return quantile(t.figures[name], 0.5) }

// short is a figure with the digits that mean something.
func short(f float64) string {
	switch {
	case math.Abs(f) >= 1000:
		return fmt.Sprintf("%.0f", f)
	case math.Abs(f) >= 10:
		return fmt.Sprintf("%.1f", f)
	default:
		return fmt.Sprintf("%.2f", f)
	}
}

func quantile[T cmp.Ordered](all []T, q float64) T {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// machine is what the figures are of.
func machine(tb testing.TB) string {
	tb.Helper()
	var system syscall.Utsname
	must(tb, syscall.Uname(&system))
	var info syscall.Sysinfo_t
	must(tb, syscall.Sysinfo(&info))
	node, err := exec.CommandContext(tb.Context(), "node", "--version").Output()
	must(tb, err)
	release := make([]byte, 0, len(system.Release))
	for _, c := range system.Release {
		if c == 0 {
			break
		}
		release = append(release, byte(c))
	}
	return fmt.Sprintf("%s: %d cores (%s) for servers and load, %.0f GB, Linux %s, %s, Node.js %s",
		time.Now().Format(time.DateOnly), runtime.NumCPU(), processor(tb), float64(info.Totalram)*float64(info.Unit)/1e9,
		release, runtime.Version(), strings.TrimSpace(string(node)))
}

func processor(tb testing.TB) string {
	tb.Helper()
	text, err := os.ReadFile("/proc/cpuinfo")
	must(tb, err)
	for line := range strings.Lines(string(text)) {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
