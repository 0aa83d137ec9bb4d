package testenv

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// The ports of servers are below those that the system gives to outgoing
// connections, which would take a server's port while it is being restarted.
const firstPort, lastPort = 20000, 32000

// port is a free TCP port of 127.0.0.1 that no other test binary takes before
// this process has ended or released it.
type port struct {
	number int
	// claim is a socket whose name says which port is meant. It has no file, so
	// that nothing is left of it.
	claim net.Listener
}

func newPort() (*port, error) {
	for range 1000 {
		p := &port{number: firstPort + rand.IntN(lastPort-firstPort)} //nolint:gosec // Not a secret.
		if err := p.take(); err == nil {
			return p, nil
		}
	}
	return nil, fmt.Errorf("no port between %d and %d is free", firstPort, lastPort)
}

func (p *port) take() (err error) {
	var config net.ListenConfig
	// The @ has Linux keep the name in memory.
	p.claim, err = config.Listen(context.Background(), "unix", "@parley-testenv-"+strconv.Itoa(p.number))
	if err != nil {
		return fmt.Errorf("claim port %d: %w", p.number, err)
	}
	listener, err := config.Listen(context.Background(), "tcp", p.address())
	if err != nil {
		p.release()
		return fmt.Errorf("try port %d: %w", p.number, err)
	}
	return listener.Close()
}

func (p *port) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.number)) }

func (p *port) release() { _ = p.claim.Close() }
