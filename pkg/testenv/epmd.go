package testenv

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"sync"
)

// erlang is what all nodes of this test binary share: a directory of node names
// and a secret by which they know each other.
type erlang struct {
	epmd   int // port
	cookie string
}

// network starts the directory. A node would start one too, but as a daemon on
// a port that all users of the machine share, and leave it behind.
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
		// 110 asks for all names.
		ready: func(context.Context) error {
			_, err := talk(p.address(), []byte{0, 1, 110})
			return err
		},
	}
	if err := epmd.start(); err != nil {
		return erlang{}, fmt.Errorf("for RabbitMQ: %w", err)
	}
	return erlang{epmd: p.number, cookie: rand.Text()}, nil
})
