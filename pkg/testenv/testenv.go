// Package testenv starts real servers for tests: RabbitMQ, PostgreSQL and Redis,
// as private child processes on ports and in folders of their own. It promises
// that a test which got its server has it to itself, or a part of it that no
// other test sees, and that nothing is left of it when the test binary has ended,
// however that ended.
//
// [RabbitMQ], [Postgres] and [Redis] are for tests that need such a server, and
// cost little: all tests of a package share a process where that is slow to
// start. [StartRabbitMQ], [StartCluster], [StartPostgres] and [StartRedis] are
// for tests that do harm to it.
//
// A server that was started elsewhere is used instead, by the functions of the
// first kind alone, when the environment names it:
//
//   - TEST_RABBITMQ_URL, with TEST_RABBITMQ_MANAGEMENT_URL if its management API
//     may be used to make a vhost for each test (http://user:password@host:15672).
//     Without it all tests get the vhost of the URL, and must not run at the same
//     time.
//   - TEST_POSTGRES_URL, of a role that may create databases.
//   - TEST_REDIS_URL; all tests get its database.
//
// What a test needs and this machine lacks fails the test, in words that say how
// to install it. Everything has a deadline, and what missed it is reported with
// the end of the server's log. It needs Linux, for it finds processes in /proc.
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

// patience is how long a server may take to start, to stop or to obey. It is
// far more than any needs when the machine is busy with other tests too.
const patience = time.Minute

// poll asks until the answer is nil, and returns the last one if that was not
// before ctx ended.
func poll(ctx context.Context, ask func() error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
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

// talk opens a connection, says something, and passes on what is answered first.
func talk(address string, say []byte) (string, error) {
	conn, err := (&net.Dialer{Timeout: time.Second}).Dial("tcp", address)
	if err != nil {
		return "", fmt.Errorf("connect to %s: %w", address, err)
	}
	defer conn.Close() //nolint:errcheck // It has served.
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return "", fmt.Errorf("talk to %s: %w", address, err)
	}
	if _, err := conn.Write(say); err != nil {
		return "", fmt.Errorf("talk to %s: %w", address, err)
	}
	answer := make([]byte, 512)
	n, err := conn.Read(answer)
	if err != nil {
		return "", fmt.Errorf("listen to %s: %w", address, err)
	}
	return string(answer[:n]), nil
}

// program finds a server's program: the newest of what matches a pattern, else
// what is in PATH.
func program(pattern string) (string, error) {
	// The pattern is a constant, so it is not malformed.
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
