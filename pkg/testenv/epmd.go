package testenv

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"sync"
)

// erlang is shared by all nodes of this test binary: the Erlang port mapper daemon
// and the cookie for authentication between nodes.
type erlang struct {
	epmd   int // port
	cookie string
}

// network starts a private epmd. A node would start epmd as a daemon on the
// machine's shared port, and leave the daemon running.
var network = sync.OnceValues(func() (erlang, error) {
	path, err := program("/usr/bin/epmd")
	if err != nil {
		return erlang{}, err
	}
	dir, err := folder("epmd")
	if err != nil {
		return erlang{}, err
	}
	p, err := newPort()
	if err != nil {
		return erlang{}, err
	}
	epmd := process{
		name: "epmd", dir: dir, path: path, env: []string{},
		args: []string{"-port", strconv.Itoa(p.number), "-address", "127.0.0.1"},
		// 110 (NAMES_REQ) lists all names.
		ready: func(context.Context) error {
			_, err := exchange(p.address(), []byte{0, 1, 110})
			return err
		},
	}
	if err := epmd.start(); err != nil {
		return erlang{}, fmt.Errorf("epmd for RabbitMQ: %w", err)
	}
	return erlang{epmd: p.number, cookie: rand.Text()}, nil
})
