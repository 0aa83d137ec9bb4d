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

// sharedBroker is the node of all tests of this binary.
var sharedBroker = sync.OnceValues(func() (*node, error) {
	return started(func() (*node, error) { return newNode(true) })
})

// RabbitMQ is the URL of a vhost that is new, and gone when the test has ended.
// The first call in a test binary starts the broker, which takes 4 seconds;
// a further one takes a tenth of a second.
func RabbitMQ(tb testing.TB) string {
	tb.Helper()
	address, api, err := broker()
	must(tb, err)
	if api == nil {
		return address
	}
	vhost := "test-" + strings.ToLower(rand.Text())
	must(tb, api.create(vhost))
	tb.Cleanup(func() {
		if err := api.remove(vhost); err != nil {
			tb.Errorf("testenv: %v", err)
		}
	})
	return strings.TrimSuffix(address, "/") + "/" + vhost
}

// broker is the one that tests share, and its management API if it has one.
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

// management is RabbitMQ's management API.
type management struct {
	base string // with the name and password of who may make vhosts
	user string // who gets them
}

func (m *management) create(vhost string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := m.do(ctx, http.MethodPut, "vhosts/"+vhost, "{}")
	if err == nil {
		err = m.do(ctx, http.MethodPut, "permissions/"+vhost+"/"+url.PathEscape(m.user),
			`{"configure":".*","write":".*","read":".*"}`)
	}
	if err != nil {
		return fmt.Errorf("make vhost %s: %w", vhost, err)
	}
	return nil
}

func (m *management) remove(vhost string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
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
		return fmt.Errorf("RabbitMQ's management API: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	// A connection that is kept would be a goroutine that outlives the test.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("RabbitMQ's management API: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusMultipleChoices {
		return errors.New("RabbitMQ's management API: " + response.Status)
	}
	return nil
}
