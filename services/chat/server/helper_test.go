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

const patience = 60 * time.Second

// service is a chat service that runs.
type service struct {
	t        *testing.T
	url      string
	server   *server.Server
	http     *http.Client // checks each answer against the contract
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
	listening.Listener = narrow{listening.Listener}
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
		http: &http.Client{Transport: contracttest.Transport(t, contracts, transport), Timeout: patience},
	}
}

// narrow is a listener whose connections hold little that is not read, so that a
// client that does not read is noticed soon.
type narrow struct{ net.Listener }

const narrowBuffer = 4 << 10

func (n narrow) Accept() (net.Conn, error) {
	c, err := n.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok && err == nil {
		err = tcp.SetWriteBuffer(narrowBuffer)
	}
	return c, err
}

// token is one for an agent; admin is an ADMIN.
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

// ask does a request and decodes the answer into out, or the problem's code.
func (s *service) ask(login, method, path string, in, out any) (status int, code string) {
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
	answer, err := s.http.Do(r)
	if err != nil {
		s.t.Error(err)
		return 0, ""
	}
	text, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		s.t.Error(err)
	}
	var problem struct {
		Code string `json:"code"`
	}
	if answer.StatusCode >= 400 {
		out = &problem
	}
	if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			s.t.Errorf("%s %s: %s: %v", method, path, text, err)
		}
	}
	return answer.StatusCode, problem.Code
}

// say posts a message.
func (s *service) say(login, text string) chat.Entry {
	s.t.Helper()
	var e chat.Entry
	if status, code := s.ask(login, "POST", "/api/messages", map[string]string{"text": text}, &e); status != http.StatusCreated {
		s.t.Errorf("%s says %.20q: %d %s", login, text, status, code)
	}
	return e
}

// announce tells all, or some.
func (s *service) announce(text string, audience any) {
	s.t.Helper()
	in := map[string]any{"text": text, "audience": audience}
	if status, code := s.ask("admin", "POST", "/api/notifications", in, nil); status != http.StatusAccepted {
		s.t.Errorf("announcing to %v answers %d %s", audience, status, code)
	}
}

// stream reads the entries of a stream after a sequence.
func (s *service) stream(login, id string, after int64) (entries []chat.Entry) {
	s.t.Helper()
	path := fmt.Sprintf("/api/streams/%s/entries?after=%d", id, after)
	for next := ""; ; {
		var page struct {
			Items []chat.Entry `json:"items"`
			Next  *string      `json:"next"`
		}
		if status, code := s.ask(login, "GET", path+next, nil, &page); status != http.StatusOK {
			s.t.Errorf("reading %s answers %d %s", id, status, code)
			return nil
		}
		entries = append(entries, page.Items...)
		if page.Next == nil {
			return entries
		}
		next = "&cursor=" + *page.Next
	}
}

// joined is what Join answers.
type joined struct {
	Agent    auth.Agent          `json:"agent"`
	Streams  []chat.JoinedStream `json:"streams"`
	Presence []chat.Presence     `json:"presence"`
	Resync   []string            `json:"resync"`
}

func (j joined) stream(id string) chat.JoinedStream {
	for _, s := range j.Streams {
		if s.ID == id {
			return s
		}
	}
	return chat.JoinedStream{}
}

type position struct {
	Sequence int64  `json:"sequence"`
	Tag      string `json:"tag"`
}

// message is a record of the hub protocol.
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
		return fmt.Errorf("%s has %d arguments", m.Target, len(m.Arguments))
	}
	for i, arg := range args {
		if err := json.Unmarshal(m.Arguments[i], arg); err != nil {
			return err
		}
	}
	return nil
}

const separator = "\x1e"

// socket is one to /hub whose records are seen in the order in which they came.
type socket struct {
	ws      *websocket.Conn
	last    int
	pending [][]byte
}

func (s *service) dial(login string) (*socket, error) {
	header := http.Header{"Authorization": {"Bearer " + s.token(login, time.Hour)}}
	ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.url, "http")+"/hub", header)
	if err != nil {
		return nil, err
	}
	c := &socket{ws: ws}
	if err := c.write(`{"protocol":"json","version":1}`); err != nil {
		return nil, err
	}
	_, err = c.record()
	return c, err
}

func (c *socket) write(record string) error {
	return c.ws.WriteMessage(websocket.TextMessage, []byte(record+separator))
}

func (c *socket) record() ([]byte, error) {
	for len(c.pending) == 0 {
		if err := c.ws.SetReadDeadline(time.Now().Add(patience)); err != nil {
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

// next is what comes next, pings left out.
func (c *socket) next() (message, error) {
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

// call invokes a method and gives what comes before its answer to before.
func (c *socket) call(out any, before func(message), target string, args ...any) error {
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
