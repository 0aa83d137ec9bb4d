package testenv

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
)

// sharedBroker is the node for all tests of this binary.
var sharedBroker = sync.OnceValues(func() (*node, error) {
	return started(func() (*node, error) { return newNode(true) })
})

// RabbitMQ returns the URL of a new vhost, removed when the test ends. The first
// call in a test binary starts the broker and takes 4 seconds, further calls take
// a tenth of a second.
func RabbitMQ(tb testing.TB) string {
	tb.Helper()
	address, api, err := broker()
	must(tb, err)
	if api == nil {
		return address
	}
	vhost := "test-" + strings.ToLower(rand.Text())
	must(tb, api.createVhost(vhost))
	tb.Cleanup(func() {
		if err := api.removeVhost(vhost); err != nil {
			tb.Errorf("testenv: %v", err)
		}
	})
	return strings.TrimSuffix(address, "/") + "/" + vhost
}

// broker returns the URL of the shared broker and its management API, nil without
// an API.
func broker() (string, *management, error) {
	given := os.Getenv("TEST_RABBITMQ_URL")
	if given == "" {
		n, err := sharedBroker()
		if err != nil {
			return "", nil, err
		}
		return n.url(""), n.management(), nil
	}
	base := os.Getenv("TEST_RABBITMQ_MANAGEMENT_URL")
	if base == "" {
		return given, nil, nil
	}
	address, err := url.Parse(given)
	if err != nil {
		return "", nil, fmt.Errorf("TEST_RABBITMQ_URL: %w", err)
	}
	address.Path, address.RawPath = "/", ""
	return address.String(), &management{base: base, user: address.User.Username()}, nil
}

// management is a client of the management API of RabbitMQ.
type management struct {
	base string // with the credentials of an administrator
	user string // owner of new vhosts
}

func (m *management) createVhost(vhost string) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	err := m.do(ctx, http.MethodPut, "vhosts/"+vhost, "{}")
	if err == nil {
		err = m.do(ctx, http.MethodPut, "permissions/"+vhost+"/"+url.PathEscape(m.user),
			`{"configure":".*","write":".*","read":".*"}`)
	}
	if err != nil {
		return fmt.Errorf("create vhost %s: %w", vhost, err)
	}
	return nil
}

func (m *management) removeVhost(vhost string) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := m.do(ctx, http.MethodDelete, "vhosts/"+vhost, ""); err != nil {
		return fmt.Errorf("remove vhost %s: %w", vhost, err)
	}
	return nil
}

func (m *management) do(ctx context.Context, method, path, body string) error {
	request, err := http.NewRequestWithContext(ctx, method,
		strings.TrimSuffix(m.base, "/")+"/api/"+path, strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("RabbitMQ management API: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	// A kept connection would leak a goroutine beyond the test.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("RabbitMQ management API: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusMultipleChoices {
		return errors.New("RabbitMQ management API: " + response.Status)
	}
	return nil
}
