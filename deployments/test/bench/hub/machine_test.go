package hub

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// machine describes the machine that the results are of.
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

// usage is the CPU time that the machine has spent so far: of all processes, and
// of this process and the servers that have ended.
type usage struct{ all, ours time.Duration }

// used reads the present usage.
func used(tb testing.TB) usage {
	tb.Helper()
	stat, err := os.ReadFile("/proc/stat")
	must(tb, err)
	line, _, _ := strings.Cut(string(stat), "\n")
	fields := strings.Fields(line)[1:]
	var u usage
	for _, i := range []int{0, 1, 2, 5, 6, 7} { // user, nice, system, irq, softirq, steal
		ticks, err := strconv.ParseInt(fields[i], 10, 64)
		must(tb, err)
		u.all += time.Duration(ticks) * tick
	}
	for _, whose := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var r syscall.Rusage
		must(tb, syscall.Getrusage(whose, &r))
		u.ours += time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	return u
}

// others returns the share of the machine that other processes used since.
func (u usage) others(tb testing.TB, since time.Time) float64 {
	tb.Helper()
	now := used(tb)
	theirs := (now.all - u.all) - (now.ours - u.ours)
	return max(0, theirs.Seconds()/time.Since(since).Seconds()/float64(runtime.NumCPU()))
}
