// Package portaltest is an HTTP client of a running portal, and starts and stops the
// programs, for tests.
package portaltest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// Client calls the portal as one agent, after SignIn.
type Client struct {
	URL   string
	Token string
	HTTP  http.Client
}

// Response is a response with its whole body.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Decode reads the body into v.
func (r Response) Decode(v any) error {
	if err := json.Unmarshal(r.Body, v); err != nil {
		return fmt.Errorf("decode %s: %w", r.Body, err)
	}
	return nil
}

// Code returns the code of a problem, or "" for any other response.
func (r Response) Code() string {
	var problem struct{ Code string }
	if r.Header.Get("Content-Type") != "application/problem+json" || r.Decode(&problem) != nil {
		return ""
	}
	return problem.Code
}

// Do sends a request. A body of bytes is sent unchanged, any other body as JSON.
// The header arguments are pairs of a name and a value.
func (c *Client) Do(ctx context.Context, method, path string, body any, header ...string) (Response, error) {
	data, raw := body.([]byte)
	if !raw && body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return Response{}, fmt.Errorf("%s %s: %w", method, path, err)
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, c.URL+path, bytes.NewReader(data))
	if err != nil {
		return Response{}, fmt.Errorf("%s %s: %w", method, path, err)
	}
	r.Header.Set("Content-Type", "application/json")
	if c.Token != "" {
		r.Header.Set("Authorization", "Bearer "+c.Token)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := c.HTTP.Do(r)
	if err != nil {
		return Response{}, fmt.Errorf("%s %s: %w", method, path, err)
	}
	content, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		return Response{}, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return Response{Status: response.StatusCode, Header: response.Header, Body: content}, nil
}

// call decodes the response to a request; an error status is an error.
func (c *Client) call(ctx context.Context, method, path string, body, into any, header ...string) error {
	r, err := c.Do(ctx, method, path, body, header...)
	if err != nil {
		return err
	}
	if r.Status >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %d %s", method, path, r.Status, r.Body)
	}
	return r.Decode(into)
}

// SignIn gets a token for an agent.
func (c *Client) SignIn(ctx context.Context, login, password string) error {
	var in struct{ Token string }
	err := c.call(ctx, http.MethodPost, "/api/session", map[string]string{"login": login, "password": password}, &in)
	c.Token = in.Token
	return err
}

// SignedIn returns a client of an agent who has signed in.
func SignedIn(t testing.TB, url, login, password string) *Client {
	t.Helper()
	c := &Client{URL: url}
	if err := c.SignIn(t.Context(), login, password); err != nil {
		t.Fatal(err)
	}
	return c
}

// Offer creates an offer of travel insurance for an adult and a child: 98.00.
func (c *Client) Offer(ctx context.Context) (number string, err error) {
	var out struct{ OfferNumber string }
	from := time.Now().UTC()
	err = c.call(ctx, http.MethodPost, "/api/offers", map[string]any{
		"productCode": "TRI", "policyFrom": from.Format(time.DateOnly), "policyTo": from.AddDate(0, 0, 5).Format(time.DateOnly),
		"selectedCovers": []string{"C1", "C2", "C3"},
		"answers": []map[string]any{
			{"questionCode": "DESTINATION", "questionType": "Choice", "answer": "EUR"},
			{"questionCode": "NUM_OF_ADULTS", "questionType": "Numeric", "answer": 1},
			{"questionCode": "NUM_OF_CHILDREN", "questionType": "Numeric", "answer": 1},
		},
	}, &out)
	return out.OfferNumber, err
}

// Buy buys an offer. A retry with the same idempotency key is the same purchase.
func (c *Client) Buy(ctx context.Context, offer, key string) (policy string, err error) {
	var out struct{ PolicyNumber string }
	err = c.call(ctx, http.MethodPost, "/api/policies", map[string]any{
		"offerNumber":         offer,
		"policyHolder":        map[string]string{"firstName": "Anna", "lastName": "Kowalska", "taxId": "81020304056"},
		"policyHolderAddress": map[string]string{"country": "PL", "zipCode": "00-001", "city": "Warszawa", "street": "Prosta 1"},
	}, &out, "Idempotency-Key", key)
	return out.PolicyNumber, err
}

// Policies returns the numbers of the agent's policies.
func (c *Client) Policies(ctx context.Context) (numbers []string, err error) {
	for cursor := ""; ; {
		var page struct {
			Items []struct{ Number string }
			Next  *string
		}
		err := c.call(ctx, http.MethodGet, "/api/policies?limit=200&cursor="+url.QueryEscape(cursor), nil, &page)
		if err != nil {
			return nil, err
		}
		for _, item := range page.Items {
			numbers = append(numbers, item.Number)
		}
		if page.Next == nil || *page.Next == "" {
			return numbers, nil
		}
		cursor = *page.Next
	}
}

// Entry is an entry of chat's log.
type Entry struct {
	Stream, ID, Kind, Author, Body string
	Sequence                       int64
}

// Since reads the log from a time or a cursor to the end.
func (c *Client) Since(ctx context.Context, since string) (entries []Entry, cursor string, err error) {
	for more := true; more; {
		var page struct {
			Entries []Entry
			Cursor  string
			More    bool
		}
		err := c.call(ctx, http.MethodGet, "/api/messages/since?limit=1000&since="+url.QueryEscape(since), nil, &page)
		if err != nil {
			return nil, "", err
		}
		entries, since, more = append(entries, page.Entries...), page.Cursor, page.More
	}
	return entries, since, nil
}

// Retry calls try until it succeeds. It returns "" when ctx ends.
func Retry(ctx context.Context, try func() (string, error)) string {
	for {
		result, err := try()
		if err == nil || ctx.Err() != nil {
			return result
		}
		Pause(ctx)
	}
}

// Pause waits 10 ms between two polls of a condition.
func Pause(ctx context.Context) {
	select {
	case <-time.After(10 * time.Millisecond):
	case <-ctx.Done():
	}
}
