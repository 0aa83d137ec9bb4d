package testenv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// node is a RabbitMQ node.
type node struct {
	*process

	nodename string
	amqp     *port
	dist     *port
	http     *port // nil: without the management API
}

// newNode prepares a node. The management API costs memory and start time, but
// creates a vhost faster than rabbitmqctl, which needs a second.
func newNode(management bool) (*node, error) {
	path, err := program("/usr/lib/rabbitmq/bin/rabbitmq-server")
	if err != nil {
		return nil, err
	}
	shared, err := network()
	if err != nil {
		return nil, err
	}
	dir, err := folder("rabbit")
	if err != nil {
		return nil, err
	}
	n := &node{
		process:  &process{name: "RabbitMQ", dir: dir, path: path, stop: syscall.SIGTERM},
		nodename: filepath.Base(dir) + "@localhost",
	}
	if err := n.reservePorts(management); err != nil {
		return nil, err
	}
	n.ready = n.checkReady
	n.env = n.environment(shared)
	return n, n.configure(shared, management)
}

func (n *node) reservePorts(management bool) (err error) {
	if n.amqp, err = n.newPort(); err != nil {
		return err
	}
	if n.dist, err = n.newPort(); err != nil {
		return err
	}
	if management {
		n.http, err = n.newPort()
	}
	return err
}

func (n *node) environment(shared erlang) []string {
	dir := n.dir
	return []string{
		"HOME=" + dir + "/home",
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"LANG=C.UTF-8",
		"LC_ALL=C.UTF-8",
		"ERL_EPMD_PORT=" + strconv.Itoa(shared.epmd),
		"ERL_EPMD_ADDRESS=127.0.0.1",
		"ERL_CRASH_DUMP=" + dir + "/crash.dump",
		"ERL_CRASH_DUMP_SECONDS=0", // writing a dump takes longer than a restart
		"RABBITMQ_CONF_ENV_FILE=/dev/null",
		"RABBITMQ_CONFIG_FILE=" + dir + "/rabbitmq",
		"RABBITMQ_DIST_PORT=" + strconv.Itoa(n.dist.number),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + dir + "/plugins",
		"RABBITMQ_LOG_BASE=" + dir + "/log",
		"RABBITMQ_MNESIA_BASE=" + dir + "/data",
		"RABBITMQ_NODENAME=" + n.nodename,
		"RABBITMQ_PID_FILE=" + dir + "/pid",
		// Scheduler threads busy-wait very briefly before they sleep. Without any
		// busy-wait the start takes twice as long; longer waits starve other processes.
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}" +
			" +sbwt very_short +sbwtdcpu none +sbwtdio very_short",
		// With this, the start script execs the server instead of waiting for a child.
		"RUNNING_UNDER_SYSTEMD=true",
	}
}

func (n *node) configure(shared erlang, management bool) error {
	dir := n.dir
	plugins := "[]."
	config := []string{
		"listeners.tcp.1 = " + n.amqp.address(),
		"log.file = false",
		"log.console = true",
		"disk_free_limit.absolute = 50MB",
	}
	if management {
		plugins = "[rabbitmq_management]."
		config = append(config,
			"management.tcp.ip = 127.0.0.1",
			"management.tcp.port = "+strconv.Itoa(n.http.number),
			// Statistics are not used.
			"management_agent.disable_metrics_collector = true",
		)
	}
	return errors.Join(
		os.Mkdir(dir+"/home", 0o700),
		os.WriteFile(dir+"/home/.erlang.cookie", []byte(shared.cookie), 0o400),
		os.WriteFile(dir+"/plugins", []byte(plugins), 0o600),
		os.WriteFile(dir+"/rabbitmq.conf", []byte(strings.Join(config, "\n")+"\n"), 0o600),
	)
}

// checkReady sends an AMQP header like a client and expects a frame on channel 0.
// rabbitmqctl is rejected for some moments longer.
func (n *node) checkReady(ctx context.Context) error {
	if !n.logged("Server startup complete") {
		return errors.New("startup is not complete")
	}
	response, err := exchange(n.amqp.address(), []byte("AMQP\x00\x00\x09\x01"))
	if err != nil {
		return err
	}
	if !strings.HasPrefix(response, "\x01\x00\x00") {
		return fmt.Errorf("%s does not speak AMQP: %q", n.amqp.address(), response)
	}
	if n.http == nil {
		return nil
	}
	return n.management().do(ctx, http.MethodGet, "vhosts", "")
}

func (n *node) url(vhost string) string {
	return "amqp://guest:guest@" + n.amqp.address() + "/" + vhost
}

func (n *node) management() *management {
	return &management{base: "http://guest:guest@" + n.http.address(), user: "guest"}
}

// ctl runs rabbitmqctl and returns the standard output.
func (n *node) ctl(args ...string) (string, error) {
	path, err := program("/usr/lib/rabbitmq/bin/rabbitmqctl")
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	cmd := n.command(ctx, path, append([]string{"--quiet", "--node", n.nodename}, args...)...)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	// A surviving child may keep the output open.
	cmd.WaitDelay = timeout
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("rabbitmqctl %s: %w\n%s%s%s",
			strings.Join(args, " "), err, out.String(), problems.String(), n.tail())
	}
	return out.String(), nil
}
