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

// newNode prepares a node. Its management API costs memory and time to start,
// but makes a vhost in less than the second that rabbitmqctl needs.
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
	if err := n.takePorts(management); err != nil {
		return nil, err
	}
	n.ready = n.answers
	n.env = n.environment(shared)
	return n, n.configure(shared, management)
}

func (n *node) takePorts(management bool) (err error) {
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
		"ERL_CRASH_DUMP_SECONDS=0", // Writing one takes longer than the restart.
		"RABBITMQ_CONF_ENV_FILE=/dev/null",
		"RABBITMQ_CONFIG_FILE=" + dir + "/rabbitmq",
		"RABBITMQ_DIST_PORT=" + strconv.Itoa(n.dist.number),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + dir + "/plugins",
		"RABBITMQ_LOG_BASE=" + dir + "/log",
		"RABBITMQ_MNESIA_BASE=" + dir + "/data",
		"RABBITMQ_NODENAME=" + n.nodename,
		"RABBITMQ_PID_FILE=" + dir + "/pid",
		// Its threads wait for each other a very short time before they sleep. Not at
		// all, and starting takes twice as long; longer, and others miss the core.
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}" +
			" +sbwt very_short +sbwtdcpu none +sbwtdio very_short",
		// The script then becomes the server, instead of waiting for it.
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
			// Nobody looks at its statistics.
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

// answers asks for what a client would: AMQP, whose first frame comes on channel
// 0. rabbitmqctl is refused for some moments more.
func (n *node) answers(ctx context.Context) error {
	if !n.said("Server startup complete") {
		return errors.New("it has not started all of its parts")
	}
	answer, err := talk(n.amqp.address(), []byte("AMQP\x00\x00\x09\x01"))
	if err != nil {
		return err
	}
	if !strings.HasPrefix(answer, "\x01\x00\x00") {
		return fmt.Errorf("%s speaks no AMQP: %q", n.amqp.address(), answer)
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

func (n *node) ctl(args ...string) (string, error) {
	path, err := program("/usr/lib/rabbitmq/bin/rabbitmqctl")
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := n.command(ctx, path, append([]string{"--quiet", "--node", n.nodename}, args...)...)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	// What it leaves behind may hold on to its output.
	cmd.WaitDelay = patience
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("rabbitmqctl %s: %w\n%s%s%s",
			strings.Join(args, " "), err, out.String(), complaint.String(), n.tail())
	}
	return out.String(), nil
}
