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
	"parley.internal/pkg/retry"
	"parley.internal/pkg/telemetry"
	"parley.internal/pkg/web"
)

const (
	dialTimeout   = 3 * time.Second
	headerTimeout = 30 * time.Second // from the request to the response header
	idleTimeout   = 90 * time.Second
	maxIdleConns  = 128
	probeInterval = time.Second
	probeTimeout  = 3 * time.Second // the service's own readiness check may take 2 s
	maxProbeBody  = 64 << 10        // bytes
	eventsHeader  = "Parley-Events" // ids of the events that a request has caused
)

// upstream is a service in another process: a reverse proxy for its REST calls
// and hubs, WebSocket upgrades included.
type upstream struct {
	name    string
	url     *url.URL
	hubs    []string        // paths
	calls   *http.Transport // for REST calls
	streams *http.Transport // for hubs: the response header may take any time
	client  http.Client     // for probes
	// draining ends the proxied sockets, event streams and polls.
	draining context.Context //nolint:containedctx // The lifetime of the upstream.
	drain    context.CancelFunc
	// register, if set, runs whenever the service becomes ready, and again every
	// probeInterval until register succeeds.
	register func(context.Context, *http.Client) error
	// problems is the result of the last probe.
	problems atomic.Pointer[[]string]
}

func newUpstream(name, address string) (*upstream, error) {
	target, err := url.Parse(address)
	if err != nil || target.Host == "" || (target.Scheme != "http" && target.Scheme != "https") {
		return nil, fmt.Errorf("URL of the %s service %q: must be an http:// or https:// URL", name, address)
	}
	calls := &http.Transport{
		DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
		ResponseHeaderTimeout: headerTimeout,
		IdleConnTimeout:       idleTimeout,
		MaxIdleConnsPerHost:   maxIdleConns,
	}
	streams := calls.Clone()
	streams.ResponseHeaderTimeout = 0 // A long poll responds at the next event.
	u := &upstream{name: name, url: target, calls: calls, streams: streams}
	u.draining, u.drain = context.WithCancel(context.Background())
	u.client = http.Client{Transport: calls, Timeout: probeTimeout}
	return u, nil
}

// Handler returns the reverse proxy. Paths outside /api/ are hubs.
func (u *upstream) Handler() http.Handler {
	calls, hubs := u.proxy(u.calls), web.LongLived(u.proxy(u.streams))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/") {
			calls.ServeHTTP(w, r)
			return
		}
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(u.draining, cancel)()
		hubs.ServeHTTP(w, r.WithContext(ctx))
	})
}

func (u *upstream) proxy(transport http.RoundTripper) http.Handler {
	return &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(u.url)
			p.SetXForwarded()
			p.Out.Host = p.In.Host // The service compares the Origin header with the host.
		},
		ModifyResponse: u.logEvents,
		ErrorHandler:   u.proxyError,
		ErrorLog:       slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
	}
}

func (u *upstream) proxyError(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case u.draining.Err() != nil:
		err = fault.New(fault.Unavailable, "stopping", "this portal stops; try again")
	case r.Context().Err() == nil:
		slog.WarnContext(r.Context(), "request not forwarded", "service", u.name, "path", r.URL.Path, "error", err)
		err = fault.New(fault.Unavailable, "service-away", "the %s service does not answer; try again").With(u.name)
	}
	web.Refuse(w, r, err)
}

// logEvents logs the events that a forwarded request has caused.
func (u *upstream) logEvents(response *http.Response) error {
	if events := response.Header.Get(eventsHeader); events != "" {
		request := response.Request
		slog.InfoContext(request.Context(), "request forwarded", "service", u.name, "method", request.Method,
			"path", request.URL.Path, "status", response.StatusCode, "events", events)
	}
	return nil
}

// Run probes the service every second until ctx ends.
func (u *upstream) Run(ctx context.Context) error {
	registered := false
	retry.Every(ctx, probeInterval, func() {
		problems, ready := u.probe(ctx)
		registered = registered && ready
		if ready && !registered && u.register != nil {
			if err := u.register(ctx, &u.client); err != nil {
				problems = append(problems, err.Error())
			} else {
				registered = true
			}
		}
		u.problems.Store(&problems)
	})
	u.calls.CloseIdleConnections()
	u.streams.CloseIdleConnections()
	return nil
}

// probe asks the service for its readiness. The problems are those of the
// service's own report, if there is a response.
func (u *upstream) probe(ctx context.Context) (problems []string, ready bool) {
	var report telemetry.Report
	status, err := u.readyz(ctx, &report)
	if err != nil {
		return []string{"the " + u.name + " service does not answer"}, false
	}
	ready = status == http.StatusOK
	if !ready {
		report.Degraded = append(report.Degraded, cmp.Or(report.Problem, report.Status))
	}
	for i, problem := range report.Degraded {
		report.Degraded[i] = u.name + ": " + problem
	}
	return report.Degraded, ready
}

func (u *upstream) readyz(ctx context.Context, report any) (status int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.url.JoinPath("/readyz").String(), nil)
	if err != nil {
		return 0, err
	}
	response, err := u.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	return response.StatusCode, json.NewDecoder(io.LimitReader(response.Body, maxProbeBody)).Decode(report)
}

// Check always succeeds: the portal works without its services.
func (u *upstream) Check(context.Context) error { return nil }

// Degraded returns the problems found by the last probe.
func (u *upstream) Degraded() []string {
	if problems := u.problems.Load(); problems != nil {
		return *problems
	}
	return nil
}

// Measure adds metrics of the proxied hub connections. The service has metrics of
// its own for everything else.
func (u *upstream) Measure(m *telemetry.Metrics) {
	for _, path := range u.hubs {
		m.Routes(path + "/negotiate")
		m.ForwardedHub(path)
	}
}

// Drain ends the proxied sockets, event streams and polls. Clients reconnect
// through another portal.
func (u *upstream) Drain(context.Context) { u.drain() }

// Close is Drain for an upstream without Run.
func (u *upstream) Close() error {
	u.drain()
	return nil
}
