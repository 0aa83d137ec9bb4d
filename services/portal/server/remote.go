package server

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"parley.internal/pkg/fault"
	"parley.internal/pkg/telemetry"
	"parley.internal/pkg/web"
)

const (
	remoteDial    = 3 * time.Second
	remoteHeader  = 30 * time.Second // from the request to the answer's head
	remoteIdle    = 90 * time.Second
	remoteConns   = 128
	remoteProbe   = time.Second
	remoteTimeout = 3 * time.Second // a service asks its own database for two
	maxReport     = 64 << 10        // bytes of an answer to a probe
	eventHeader   = "Parley-Events" // the ids of the events that a request has caused
)

// remote is a service that runs elsewhere: its paths are forwarded, sockets
// included.
type remote struct {
	name   string
	target *url.URL
	hubs   []string        // their paths
	prompt *http.Transport // for what is answered soon
	late   *http.Transport // for what may wait, or not end
	client http.Client
	// draining ends what waits, or does not end, by drain.
	draining context.Context //nolint:containedctx // It is the service's life.
	drain    context.CancelFunc
	// introduce, if there is one, is called when the service has come, and again
	// until it works.
	introduce func(context.Context, *http.Client) error
	// problems are those of the last probe.
	problems atomic.Pointer[[]string]
}

func newRemote(name, address string) (*remote, error) {
	target, err := url.Parse(address)
	if err != nil || target.Host == "" || (target.Scheme != "http" && target.Scheme != "https") {
		return nil, fmt.Errorf("%s runs at %q, which is no http:// or https:// URL", name, address)
	}
	prompt := &http.Transport{
		DialContext:           (&net.Dialer{Timeout: remoteDial}).DialContext,
		ResponseHeaderTimeout: remoteHeader,
		IdleConnTimeout:       remoteIdle,
		MaxIdleConnsPerHost:   remoteConns,
	}
	late := prompt.Clone()
	late.ResponseHeaderTimeout = 0 // A poll is answered when there is something to say.
	r := &remote{name: name, target: target, prompt: prompt, late: late}
	r.draining, r.drain = context.WithCancel(context.Background())
	r.client = http.Client{Transport: prompt, Timeout: remoteTimeout}
	return r, nil
}

func (r *remote) forward(by http.RoundTripper) http.Handler {
	return &httputil.ReverseProxy{
		Transport: by,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(r.target)
			p.SetXForwarded()
			// The service compares a page's origin with the host it came from.
			p.Out.Host = p.In.Host
		},
		ModifyResponse: r.note,
		ErrorHandler:   r.failed,
		ErrorLog:       slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
	}
}

func (r *remote) failed(w http.ResponseWriter, req *http.Request, err error) {
	switch {
	case r.draining.Err() != nil:
		web.Refuse(w, req, fault.New(fault.Unavailable, "stopping", "this portal stops; try again"))
		return
	case req.Context().Err() != nil:
		web.Refuse(w, req, err) // No response if the client disconnected; busy if this portal is stopping.
		return
	}
	slog.WarnContext(req.Context(), "request not forwarded", "service", r.name, "path", req.URL.Path, "error", err)
	web.Refuse(w, req, fault.New(fault.Unavailable, "service-away", "the %s service does not answer; try again").With(r.name))
}

// Handler forwards. What is not below /api/ is a hub's.
func (r *remote) Handler() http.Handler {
	calls, hubs := r.forward(r.prompt), web.LongLived(r.forward(r.late))
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if strings.HasPrefix(q.URL.Path, "/api/") {
			calls.ServeHTTP(w, q)
			return
		}
		ctx, cancel := context.WithCancel(q.Context())
		defer cancel()
		defer context.AfterFunc(r.draining, cancel)()
		hubs.ServeHTTP(w, q.WithContext(ctx))
	})
}

// Run asks the service every second how it is, until ctx ends.
func (r *remote) Run(ctx context.Context) error {
	probe := time.NewTicker(remoteProbe)
	defer probe.Stop()
	introduced := false
	for {
		problems, here := r.probe(ctx)
		introduced = introduced && here
		if here && !introduced && r.introduce != nil {
			if err := r.introduce(ctx, &r.client); err != nil {
				problems = append(problems, err.Error())
			} else {
				introduced = true
			}
		}
		r.problems.Store(&problems)
		select {
		case <-ctx.Done():
			r.prompt.CloseIdleConnections()
			r.late.CloseIdleConnections()
			return nil
		case <-probe.C:
		}
	}
}

// probe is what is wrong with the service, in its own words if it answers, and
// whether it is here: ready to work.
func (r *remote) probe(ctx context.Context) (problems []string, here bool) {
	away := []string{"the " + r.name + " service does not answer"}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.target.JoinPath("/readyz").String(), nil)
	if err != nil {
		return away, false
	}
	response, err := r.client.Do(request)
	if err != nil {
		return away, false
	}
	defer func() { _ = response.Body.Close() }()
	var report struct {
		Status   string   `json:"status"`
		Problem  string   `json:"problem"`
		Degraded []string `json:"degraded"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxReport)).Decode(&report); err != nil {
		return away, false
	}
	here = response.StatusCode == http.StatusOK
	if !here {
		report.Degraded = append(report.Degraded, cmp.Or(report.Problem, report.Status))
	}
	for i, problem := range report.Degraded {
		report.Degraded[i] = r.name + ": " + problem
	}
	return report.Degraded, here
}

// note writes down what a forwarded request has caused, if the service says so.
func (r *remote) note(response *http.Response) error {
	if events := response.Header.Get(eventHeader); events != "" {
		request := response.Request
		slog.InfoContext(request.Context(), "request forwarded", "service", r.name, "method", request.Method,
			"path", request.URL.Path, "status", response.StatusCode, "events", events)
	}
	return nil
}

// Check asks nothing: the portal serves without its services.
func (r *remote) Check(context.Context) error { return nil }

// Degraded says what is wrong with the service, as of the last second.
func (r *remote) Degraded() []string {
	if problems := r.problems.Load(); problems != nil {
		return *problems
	}
	return nil
}

// Measure counts what is forwarded to the service's hubs. For all else it has
// metrics of its own.
func (r *remote) Measure(m *telemetry.Metrics) {
	for _, path := range r.hubs {
		m.Routes(path + "/negotiate")
		m.ForwardedHub(path)
	}
}

// Drain ends the sockets, streams and polls that are forwarded: clients find
// another portal.
func (r *remote) Drain(context.Context) { r.drain() }

// Close is Drain.
func (r *remote) Close() error {
	r.drain()
	return nil
}
