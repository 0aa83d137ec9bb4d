package testenv

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
)

//go:embed reaper.sh
var reaper string

// ground is the folder of this test binary. Its reaper ends what works in it and
// removes it as soon as the binary is gone.
type ground struct {
	dir string
	// lifeline is closed by the system when this process ends, and by nobody before.
	lifeline *os.File
}

var root = sync.OnceValues(func() (ground, error) {
	dir, err := os.MkdirTemp("", "parley-testenv-")
	if err != nil {
		return ground{}, fmt.Errorf("make the servers' folder: %w", err)
	}
	// PostgreSQL may run as another user, who must get through.
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // That user needs the x.
		return ground{}, fmt.Errorf("open the servers' folder: %w", err)
	}
	theirs, ours, err := os.Pipe()
	if err != nil {
		return ground{}, fmt.Errorf("start the reaper: %w", err)
	}
	defer theirs.Close()                                                                     //nolint:errcheck // The reaper has its own.
	cmd := exec.CommandContext(context.Background(), "/bin/sh", "-c", reaper, "reaper", dir) //nolint:gosec // The script is ours.
	cmd.Dir = "/"
	cmd.Stdin = theirs
	// Whoever interrupts the tests from a terminal must not interrupt it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return ground{}, fmt.Errorf("start the reaper: %w", err)
	}
	return ground{dir: dir, lifeline: ours}, nil
})

var folders atomic.Int64

// folder makes a new folder for a server.
func folder(name string) (string, error) {
	parent, err := root()
	if err != nil {
		return "", err
	}
	dir := parent.dir + "/" + name + "-" + strconv.FormatInt(folders.Add(1), 10)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", fmt.Errorf("make a server's folder: %w", err)
	}
	return dir, nil
}
