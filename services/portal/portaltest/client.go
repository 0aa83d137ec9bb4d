// Package portaltest acts on a running portal as a program would: over HTTP.
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

// Client is a program that acts for one agent, once SignIn gave it a token.
type Client struct {
	URL   string
	Token string
	HTTP  http.Client
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Decode reads the body into v.
func (a Answer) Decode(v any) error {
	if err := json.Unmarshal(a.Body, v); err != nil {
		return fmt.Errorf("decode %s: %w", a.Body, err)
	}
	return nil
}

// Code is the code of a problem, and "" of anything else.
func (a Answer) Code() string {
	var problem struct{ Code string }
	if a.Header.Get("Content-Type") != "application/problem+json" || a.Decode(&problem) != nil {
		return ""
	}
	return problem.Code
}

// Do sends a request; body is sent as it is if it is bytes, else as JSON, and
// header holds pairs of a name and a value.
func (c *Client) Do(ctx context.Context, method, path string, body any, header ...string) (Answer, error) {
	data, raw := body.([]byte)
	if !raw && body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return Answer{}, fmt.Errorf("%s %s: %w", method, path, err)
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, c.URL+path, bytes.NewReader(data))
	if err != nil {
		return Answer{}, fmt.Errorf("%s %s: %w", method, path, err)
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
		return Answer{}, fmt.Errorf("%s %s: %w", method, path, err)
	}
	answer, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		return Answer{}, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return Answer{Status: response.StatusCode, Header: response.Header, Body: answer}, nil
}

// get decodes the answer of a request that has to succeed.
func (c *Client) get(ctx context.Context, method, path string, body, into any, header ...string) error {
	a, err := c.Do(ctx, method, path, body, header...)
	if err != nil {
		return err
	}
	if a.Status >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %d %s", method, path, a.Status, a.Body)
	}
	return a.Decode(into)
}

// SignIn gets a token.
func (c *Client) SignIn(ctx context.Context, login, password string) error {
	var in struct{ Token string }
	err := c.get(ctx, http.MethodPost, "/api/session", map[string]string{"login": login, "password": password}, &in)
	c.Token = in.Token
	return err
}

// SignedIn is a client of a demo agent.
func SignedIn(t testing.TB, url, login, password string) *Client {
	t.Helper()
	c := &Client{URL: url}
	if err := c.SignIn(t.Context(), login, password); err != nil {
		t.Fatal(err)
	}
	return c
}

// Offer asks for what a trip of an adult and a child costs: 98.00.
func (c *Client) Offer(ctx context.Context) (number string, err error) {
	var out struct{ OfferNumber string }
	from := time.Now().UTC()
	err = c.get(ctx, http.MethodPost, "/api/offers", map[string]any{
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

// Buy buys an offer. Buying it again with the same key is the same purchase.
func (c *Client) Buy(ctx context.Context, offer, key string) (policy string, err error) {
	var out struct{ PolicyNumber string }
	err = c.get(ctx, http.MethodPost, "/api/policies", map[string]any{
		"offerNumber":         offer,
		"policyHolder":        map[string]string{"firstName": "Anna", "lastName": "Kowalska", "taxId": "81020304056"},
		"policyHolderAddress": map[string]string{"country": "PL", "zipCode": "00-001", "city": "Warszawa", "street": "Prosta 1"},
	}, &out, "Idempotency-Key", key)
	return out.PolicyNumber, err
}

// Policies lists the numbers of the agent's policies.
func (c *Client) Policies(ctx context.Context) (numbers []string, err error) {
	for cursor := ""; ; {
		var page struct {
			Items []struct{ Number string }
			Next  *string
		}
		err := c.get(ctx, http.MethodGet, "/api/policies?limit=200&cursor="+url.QueryEscape(cursor), nil, &page)
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

// Since reads the log from a time or a cursor to its end.
func (c *Client) Since(ctx context.Context, since string) (entries []Entry, cursor string, err error) {
	for more := true; more; {
		var page struct {
			Entries []Entry
			Cursor  string
			More    bool
		}
		err := c.get(ctx, http.MethodGet, "/api/messages/since?limit=1000&since="+url.QueryEscape(since), nil, &page)
		if err != nil {
			return nil, "", err
		}
		entries, since, more = append(entries, page.Entries...), page.Cursor, page.More
	}
	return entries, since, nil
}

// Insist tries until it gets an answer, or until ctx ends: then it returns "".
func Insist(ctx context.Context, try func() (string, error)) string {
	for {
		answer, err := try()
		if err == nil || ctx.Err() != nil {
			return answer
		}
		Pause(ctx)
	}
}

// Pause keeps a loop that waits for something from spinning.
func Pause(ctx context.Context) {
	select {
	case <-time.After(10 * time.Millisecond):
	case <-ctx.Done():
	}
}
