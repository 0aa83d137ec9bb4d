package testenv

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Server ports lie below the ephemeral range: an outgoing connection could take
// the port of a restarting server.
const firstPort, lastPort = 20000, 32000

// port is a free TCP port of 127.0.0.1, reserved against other test binaries until
// this process releases it or ends.
type port struct {
	number int
	// claim is a Unix socket named after the port. An abstract socket leaves no file.
	claim net.Listener
}

func newPort() (*port, error) {
	for range 1000 {
		p := &port{number: firstPort + rand.IntN(lastPort-firstPort)} //nolint:gosec // Not a secret.
		if err := p.reserve(); err == nil {
			return p, nil
		}
	}
	return nil, fmt.Errorf("no port between %d and %d is free", firstPort, lastPort)
}

func (p *port) reserve() (err error) {
	var config net.ListenConfig
	// @ marks an abstract socket of Linux.
	p.claim, err = config.Listen(context.Background(), "unix", "@parley-testenv-"+strconv.Itoa(p.number))
	if err != nil {
		return fmt.Errorf("claim port %d: %w", p.number, err)
	}
	listener, err := config.Listen(context.Background(), "tcp", p.address())
	if err != nil {
		p.release()
		return fmt.Errorf("bind port %d: %w", p.number, err)
	}
	return listener.Close()
}

func (p *port) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.number)) }

func (p *port) release() { _ = p.claim.Close() }
