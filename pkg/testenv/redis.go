package testenv

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Redis returns the URL of an empty server, stopped when the test ends. Each call
// starts a process, in a tenth of a second: database numbers do not separate the
// pub/sub channels of two tests. With TEST_REDIS_URL all tests share a server, and
// keys and channels need a prefix.
func Redis(tb testing.TB) string {
	tb.Helper()
	if given := os.Getenv("TEST_REDIS_URL"); given != "" {
		return given
	}
	return startRedis(tb, "no").URL()
}

// RedisServer is a private Redis server, for tests with faults.
type RedisServer struct {
	*Server

	redis *redis
}

// StartRedis starts a server with an append-only file: it logs each write before
// the reply.
func StartRedis(tb testing.TB) *RedisServer {
	tb.Helper()
	return startRedis(tb, "yes")
}

func startRedis(tb testing.TB, appendOnly string) *RedisServer {
	tb.Helper()
	r, err := started(func() (*redis, error) { return newRedis(appendOnly) })
	must(tb, err)
	return &RedisServer{Server: newServer(tb, r.process), redis: r}
}

// URL returns the URL of the server. Restarts do not change it.
func (s *RedisServer) URL() string { return "redis://" + s.redis.port.address() }

type redis struct {
	*process

	port *port
}

func newRedis(appendOnly string) (*redis, error) {
	path, err := program("/usr/bin/redis-server")
	if err != nil {
		return nil, err
	}
	dir, err := folder("redis")
	if err != nil {
		return nil, err
	}
	r := &redis{process: &process{
		name: "Redis", dir: dir, path: path, env: []string{"LC_ALL=C.UTF-8"}, stop: syscall.SIGTERM,
	}}
	if r.port, err = r.newPort(); err != nil {
		return nil, err
	}
	r.ready = r.checkReady
	r.args = []string{
		"--bind", "127.0.0.1", "--port", strconv.Itoa(r.port.number), "--dir", dir,
		"--save", "", "--appendonly", appendOnly, "--loglevel", "notice",
	}
	return r, nil
}

func (r *redis) checkReady(context.Context) error {
	response, err := exchange(r.port.address(), []byte("PING\r\n"))
	if err != nil {
		return err
	}
	if response != "+PONG\r\n" {
		return errors.New("unexpected reply to PING: " + strings.TrimSpace(response))
	}
	return nil
}
