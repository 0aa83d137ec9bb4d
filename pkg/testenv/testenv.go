// Package testenv starts real servers for tests: RabbitMQ, PostgreSQL and Redis,
// as private child processes with their own ports and folders. The promise: no
// two tests share state, and no process or file survives the test binary, even
// after a crash or SIGKILL.
//
// [RabbitMQ], [Postgres] and [Redis] are cheap, for tests with a healthy server:
// the tests of a package share processes with a slow start, and each test gets a
// private vhost or database. [StartRabbitMQ], [StartCluster], [StartPostgres] and
// [StartRedis] start a private server, for tests with faults.
//
// The cheap functions use an existing server if the environment names a URL:
//
//   - TEST_RABBITMQ_URL. With TEST_RABBITMQ_MANAGEMENT_URL
//     (http://user:password@host:15672) each test gets a vhost. Without a
//     management API all tests share the vhost of the URL and must not run in
//     parallel.
//   - TEST_POSTGRES_URL, for a role with the right to create databases.
//   - TEST_REDIS_URL. All tests share the database.
//
// A missing program fails the test and says how to install the program. Every wait
// has a deadline; a timeout is reported with the tail of the server's log. Linux
// only: processes are found in /proc.
package testenv

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// timeout bounds each start, stop and command of a server. Busy machines need far
// less.
const timeout = time.Minute

// poll repeats check until it returns nil. When ctx ends, poll returns the last
// error.
func poll(ctx context.Context, check func() error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// exchange connects to address, sends a request, and returns the first bytes of
// the response.
func exchange(address string, request []byte) (string, error) {
	conn, err := (&net.Dialer{Timeout: time.Second}).Dial("tcp", address)
	if err != nil {
		return "", fmt.Errorf("connect to %s: %w", address, err)
	}
	defer conn.Close() //nolint:errcheck // The response was read.
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return "", fmt.Errorf("send to %s: %w", address, err)
	}
	if _, err := conn.Write(request); err != nil {
		return "", fmt.Errorf("send to %s: %w", address, err)
	}
	response := make([]byte, 512)
	n, err := conn.Read(response)
	if err != nil {
		return "", fmt.Errorf("receive from %s: %w", address, err)
	}
	return string(response[:n]), nil
}

// program finds the newest program that matches a pattern, else looks in PATH.
func program(pattern string) (string, error) {
	// Constant patterns are never malformed.
	if found, _ := filepath.Glob(pattern); len(found) > 0 {
		slices.Sort(found)
		return found[len(found)-1], nil
	}
	name := filepath.Base(pattern)
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s is not installed: `make test` installs it (deployments/setup/test.sh)", name)
	}
	return path, nil
}
