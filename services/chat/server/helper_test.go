package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"parley.internal/api"
	"parley.internal/chat"
	"parley.internal/chat/server"
	"parley.internal/pkg/auth"
	"parley.internal/pkg/contract"
	"parley.internal/pkg/contract/contracttest"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}

var secret = []byte(strings.Repeat("k", auth.MinSecret))

const timeout = 60 * time.Second

// service is a running chat service.
type service struct {
	t        *testing.T
	url      string
	server   *server.Server
	http     *http.Client // checks each response against the contract
	contract *contract.Contract
	stop     func()
}

func start(t *testing.T, database string, change ...func(*server.Config)) *service {
	t.Helper()
	cfg := server.Config{DatabaseURL: database, Secret: secret, Log: slog.New(slog.DiscardHandler)}
	for _, change := range change {
		change(&cfg)
	}
	s, err := server.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	contracts, err := contract.Open(api.Files, "openapi/chat.yaml")
	if err != nil {
		t.Fatal(err)
	}
	listening := httptest.NewUnstartedServer(s.Handler())
	listening.Listener = smallBuffers{listening.Listener}
	listening.Start()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	stop := sync.OnceFunc(func() {
		cancel()
		running.Wait()
		transport.CloseIdleConnections()
		listening.Close()
	})
	t.Cleanup(stop)
	return &service{
		t: t, url: listening.URL, server: s, contract: contracts, stop: stop,
		http: &http.Client{Transport: contracttest.Transport(t, contracts, transport), Timeout: timeout},
	}
}

// smallBuffers is a listener with small socket buffers: a slow consumer is noticed soon.
type smallBuffers struct{ net.Listener }

const smallBuffer = 4 << 10

func (l smallBuffers) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok && err == nil {
		err = tcp.SetWriteBuffer(smallBuffer)
	}
	return c, err
}

// token issues a token for an agent. The agent admin has the role ADMIN.
func (s *service) token(login string, life time.Duration) string {
	s.t.Helper()
	tokens, err := auth.NewSecret(secret)
	if err != nil {
		s.t.Fatal(err)
	}
	agent := auth.Agent{Login: login, Name: strings.ToUpper(login), Avatar: "/" + login + ".svg", Roles: []string{auth.Salesman}}
	if login == "admin" {
		agent.Roles = []string{auth.Admin}
	}
	token, err := tokens.Issue(agent, time.Now(), time.Now().Add(life))
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}

// request sends a request and decodes the response into out, or returns the problem's code.
func (s *service) request(login, method, path string, in, out any) (status int, code string) {
	s.t.Helper()
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			s.t.Fatal(err)
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+s.token(login, time.Hour))
	response, err := s.http.Do(r)
	if err != nil {
		s.t.Error(err)
		return 0, ""
	}
	text, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		s.t.Error(err)
	}
	var problem struct {
		Code string `json:"code"`
	}
	if response.StatusCode >= 400 {
		out = &problem
	}
	if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			s.t.Errorf("%s %s: %s: %v", method, path, text, err)
		}
	}
	return response.StatusCode, problem.Code
}

// post posts a message to the General room.
func (s *service) post(login, text string) chat.Entry {
	s.t.Helper()
	var e chat.Entry
	if status, code := s.request(login, "POST", "/api/messages", map[string]string{"text": text}, &e); status != http.StatusCreated {
		s.t.Errorf("message %.20q of %s: got status %d %s, want 201", text, login, status, code)
	}
	return e
}

// announce sends an announcement to an audience.
func (s *service) announce(text string, audience any) {
	s.t.Helper()
	in := map[string]any{"text": text, "audience": audience}
	if status, code := s.request("admin", "POST", "/api/notifications", in, nil); status != http.StatusAccepted {
		s.t.Errorf("announcement to %v: got status %d %s, want 202", audience, status, code)
	}
}

// stream reads all entries of a stream after a sequence.
func (s *service) stream(login, id string, after int64) (entries []chat.Entry) {
	s.t.Helper()
	path := fmt.Sprintf("/api/streams/%s/entries?after=%d", id, after)
	for next := ""; ; {
		var page struct {
			Items []chat.Entry `json:"items"`
			Next  *string      `json:"next"`
		}
		if status, code := s.request(login, "GET", path+next, nil, &page); status != http.StatusOK {
			s.t.Errorf("entries of %s: got status %d %s, want 200", id, status, code)
			return nil
		}
		entries = append(entries, page.Items...)
		if page.Next == nil {
			return entries
		}
		next = "&cursor=" + *page.Next
	}
}

// joinResult is the result of Join.
type joinResult struct {
	Agent    auth.Agent          `json:"agent"`
	Streams  []chat.JoinedStream `json:"streams"`
	Presence []chat.Presence     `json:"presence"`
	Resync   []string            `json:"resync"`
}

func (j joinResult) stream(id string) chat.JoinedStream {
	for _, s := range j.Streams {
		if s.ID == id {
			return s
		}
	}
	return chat.JoinedStream{}
}

// cursor is the wire form of a chat.Cursor.
type cursor struct {
	Sequence int64  `json:"sequence"`
	Tag      string `json:"tag"`
}

// message is a message of the hub protocol.
type message struct {
	Type         int               `json:"type"`
	InvocationID string            `json:"invocationId"`
	Target       string            `json:"target"`
	Arguments    []json.RawMessage `json:"arguments"`
	Result       json.RawMessage   `json:"result"`
	Error        string            `json:"error"`
}

func (m message) bind(args ...any) error {
	if len(m.Arguments) != len(args) {
		return fmt.Errorf("%s: got %d arguments, want %d", m.Target, len(m.Arguments), len(args))
	}
	for i, arg := range args {
		if err := json.Unmarshal(m.Arguments[i], arg); err != nil {
			return err
		}
	}
	return nil
}

const separator = "\x1e"

// connection is a WebSocket to /hub. The test reads each message in the order of arrival.
type connection struct {
	ws      *websocket.Conn
	last    int
	pending [][]byte
}

func (s *service) dial(login string) (*connection, error) {
	header := http.Header{"Authorization": {"Bearer " + s.token(login, time.Hour)}}
	ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.url, "http")+"/hub", header)
	if err != nil {
		return nil, err
	}
	c := &connection{ws: ws}
	if err := c.write(`{"protocol":"json","version":1}`); err != nil {
		return nil, err
	}
	_, err = c.record()
	return c, err
}

func (c *connection) write(record string) error {
	return c.ws.WriteMessage(websocket.TextMessage, []byte(record+separator))
}

func (c *connection) record() ([]byte, error) {
	for len(c.pending) == 0 {
		if err := c.ws.SetReadDeadline(time.Now().Add(timeout)); err != nil {
			return nil, err
		}
		_, data, err := c.ws.ReadMessage()
		if err != nil {
			return nil, err
		}
		c.pending = bytes.Split(bytes.TrimSuffix(data, []byte(separator)), []byte(separator))
	}
	record := c.pending[0]
	c.pending = c.pending[1:]
	return record, nil
}

// next reads the next message that is not a ping.
func (c *connection) next() (message, error) {
	for {
		record, err := c.record()
		if err != nil {
			return message{}, err
		}
		var m message
		if err := json.Unmarshal(record, &m); err != nil {
			return message{}, err
		}
		if m.Type != 6 {
			return m, nil
		}
	}
}

// call invokes a method and passes messages before the completion to before.
func (c *connection) call(out any, before func(message), target string, args ...any) error {
	c.last++
	id := fmt.Sprint(c.last)
	if args == nil {
		args = []any{}
	}
	text, err := json.Marshal(map[string]any{"type": 1, "invocationId": id, "target": target, "arguments": args})
	if err != nil {
		return err
	}
	if err := c.write(string(text)); err != nil {
		return err
	}
	for {
		m, err := c.next()
		if err != nil {
			return err
		}
		switch {
		case m.Type == 3 && m.Error != "":
			return errors.New(m.Error)
		case m.Type == 3 && out != nil:
			return json.Unmarshal(m.Result, out)
		case m.Type == 3:
			return nil
		case m.Type == 7:
			return fmt.Errorf("closed: %s", m.Error)
		}
		before(m)
	}
}
