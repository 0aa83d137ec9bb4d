package testenv

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// sharedPostgres is the server of all tests of this binary. What it holds need
// not outlive it, so it does not wait for the disk.
var sharedPostgres = sync.OnceValues(func() (*postgres, error) {
	return started(func() (*postgres, error) {
		return newPostgres("fsync=off", "full_page_writes=off", "synchronous_commit=off")
	})
})

// Postgres is the URL of a database that is new and empty, and gone when the test
// has ended, whoever is still connected. The first call in a test binary starts
// the server, which takes 1 to 2 seconds; a further one takes a tenth of a second.
func Postgres(tb testing.TB) string {
	tb.Helper()
	server := os.Getenv("TEST_POSTGRES_URL")
	if server == "" {
		p, err := sharedPostgres()
		must(tb, err)
		server = p.url()
	}
	address, err := url.Parse(server)
	if err != nil {
		tb.Fatalf("testenv: TEST_POSTGRES_URL: %v", err)
	}
	name := "test_" + strings.ToLower(rand.Text())
	// template0 is never in use, while somebody may look at template1.
	must(tb, execute(server, "CREATE DATABASE "+name+" TEMPLATE template0"))
	tb.Cleanup(func() {
		if err := execute(server, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			tb.Errorf("testenv: %v", err)
		}
	})
	address.Path = "/" + name
	return address.String()
}

// PostgresServer is a PostgreSQL server of its own, for a test that does it harm.
// What it has committed is on disk.
type PostgresServer struct {
	*Server

	postgres *postgres
}

// StartPostgres starts a server with one database, which takes 1 to 2 seconds.
func StartPostgres(tb testing.TB) *PostgresServer {
	tb.Helper()
	p, err := started(func() (*postgres, error) { return newPostgres() })
	must(tb, err)
	return &PostgresServer{Server: newServer(tb, p.process), postgres: p}
}

// URL is the server's only database. It stays the same.
func (s *PostgresServer) URL() string { return s.postgres.url() }

func execute(server, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	_, err = conn.Exec(ctx, statement)
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

type postgres struct {
	*process

	port *port
}

// newPostgres prepares a server with these settings.
func newPostgres(settings ...string) (*postgres, error) {
	initdb, err := program("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return nil, err
	}
	dir, err := folder("postgres")
	if err != nil {
		return nil, err
	}
	who, err := owner(dir)
	if err != nil {
		return nil, err
	}
	p := &postgres{process: &process{
		name: "PostgreSQL", dir: dir, user: who, stop: syscall.SIGINT,
		path: filepath.Join(filepath.Dir(initdb), "postgres"),
		env:  []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8", "HOME=" + dir, "TZ=UTC"},
	}}
	if p.port, err = p.newPort(); err != nil {
		return nil, err
	}
	p.ready, p.release = p.answers, p.forget
	p.args = p.arguments(settings)
	return p, p.initialize(initdb)
}

func (p *postgres) arguments(settings []string) []string {
	args := []string{"-D", p.data()}
	for _, setting := range append([]string{
		"listen_addresses=127.0.0.1",
		"port=" + strconv.Itoa(p.port.number),
		// The path of a socket in a temporary folder may be too long.
		"unix_socket_directories=",
		"max_connections=300",
		"shared_buffers=32MB",
		// A killed server leaves shared memory behind that is not in its folder.
		"dynamic_shared_memory_type=mmap",
		// Nobody replicates it.
		"wal_level=minimal",
		"max_wal_senders=0",
	}, settings...) {
		args = append(args, "-c", setting)
	}
	return args
}

func (p *postgres) initialize(initdb string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := p.command(ctx, initdb, "--pgdata", p.data(), "--username", "postgres", "--auth", "trust",
		"--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make PostgreSQL's data folder: %w\n%s", err, out)
	}
	return nil
}

// owner gives the folder to whom the server is to run as: root, as whom it
// refuses to, is replaced by somebody who has no more rights than he needs.
func owner(dir string) (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil //nolint:nilnil // Nobody else.
	}
	who, err := user.Lookup("postgres")
	if err != nil {
		who, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL refuses to run as root: %w", err)
	}
	uid, err := strconv.ParseUint(who.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user %s: %w", who.Username, err)
	}
	gid, err := strconv.ParseUint(who.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user %s: %w", who.Username, err)
	}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		return nil, fmt.Errorf("give PostgreSQL its folder: %w", err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func (p *postgres) answers(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.url())
	if err != nil {
		return err //nolint:wrapcheck // It says where.
	}
	return conn.Close(ctx)
}

func (p *postgres) data() string { return p.dir + "/data" }

func (p *postgres) url() string {
	return "postgres://postgres@" + p.port.address() + "/postgres?sslmode=disable"
}

// forget gives back what a server that was killed has left in the system: one of
// 4,096 shared memory segments. Line 7 of its pid file holds the key and the id.
func (p *postgres) forget() {
	file, err := os.ReadFile(p.data() + "/postmaster.pid")
	if err != nil {
		return // It ended in good order.
	}
	lines := strings.Split(string(file), "\n")
	if len(lines) < 7 {
		return
	}
	if memory := strings.Fields(lines[6]); len(memory) == 2 {
		// Where there is no such program, a reboot does it.
		_ = exec.CommandContext(context.Background(), "ipcrm", "--shmem-id", memory[1]).Run() //nolint:gosec // PostgreSQL wrote it.
	}
}
