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

// rootFolder is the folder of this test binary. When the binary ends, the reaper
// kills all processes with a working directory in there and removes the folder.
type rootFolder struct {
	dir string
	// lifeline is the write end of the reaper's input. Only the kernel closes it,
	// when this process ends.
	lifeline *os.File
}

var root = sync.OnceValues(func() (rootFolder, error) {
	dir, err := os.MkdirTemp("", "parley-testenv-")
	if err != nil {
		return rootFolder{}, fmt.Errorf("create folder of the servers: %w", err)
	}
	// PostgreSQL may run as another user and needs to pass this folder.
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // The other user needs the x.
		return rootFolder{}, fmt.Errorf("open folder of the servers: %w", err)
	}
	stdin, lifeline, err := os.Pipe()
	if err != nil {
		return rootFolder{}, fmt.Errorf("start the reaper: %w", err)
	}
	defer stdin.Close()                                                                      //nolint:errcheck // The reaper has its own descriptor.
	cmd := exec.CommandContext(context.Background(), "/bin/sh", "-c", reaper, "reaper", dir) //nolint:gosec // The script is ours.
	cmd.Dir = "/"
	cmd.Stdin = stdin
	// Ctrl-C at the terminal must not reach the reaper.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return rootFolder{}, fmt.Errorf("start the reaper: %w", err)
	}
	return rootFolder{dir: dir, lifeline: lifeline}, nil
})

var folders atomic.Int64

// folder creates a folder for a server.
func folder(name string) (string, error) {
	parent, err := root()
	if err != nil {
		return "", err
	}
	dir := parent.dir + "/" + name + "-" + strconv.FormatInt(folders.Add(1), 10)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", fmt.Errorf("create folder of a server: %w", err)
	}
	return dir, nil
}
