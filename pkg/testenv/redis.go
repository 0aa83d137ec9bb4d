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

// Redis is the URL of an empty server that is gone when the test has ended. It is
// a process for each call, which takes a tenth of a second to start: a database
// number would not keep two tests apart, because channels know none. With
// TEST_REDIS_URL there is no such thing, and keys and channels need a prefix.
func Redis(tb testing.TB) string {
	tb.Helper()
	if given := os.Getenv("TEST_REDIS_URL"); given != "" {
		return given
	}
	return startRedis(tb, "no").URL()
}

// RedisServer is a Redis server of its own, for a test that does it harm.
type RedisServer struct {
	*Server

	redis *redis
}

// StartRedis starts a server that writes down what it is told before it answers.
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

// URL is the server. It stays the same.
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
	r.ready = r.answers
	r.args = []string{
		"--bind", "127.0.0.1", "--port", strconv.Itoa(r.port.number), "--dir", dir,
		"--save", "", "--appendonly", appendOnly, "--loglevel", "notice",
	}
	return r, nil
}

func (r *redis) answers(context.Context) error {
	answer, err := talk(r.port.address(), []byte("PING\r\n"))
	if err != nil {
		return err
	}
	if answer != "+PONG\r\n" {
		return errors.New("it answers " + strings.TrimSpace(answer))
	}
	return nil
}
