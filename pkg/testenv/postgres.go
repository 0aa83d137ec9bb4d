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

// sharedPostgres is the server for all tests of this binary. Its data need not
// survive a crash, so it does not wait for the disk.
var sharedPostgres = sync.OnceValues(func() (*postgres, error) {
	return started(func() (*postgres, error) {
		return newPostgres("fsync=off", "full_page_writes=off", "synchronous_commit=off")
	})
})

// Postgres returns the URL of a new, empty database, dropped when the test ends,
// even with open connections. The first call in a test binary starts the server
// and takes 1 to 2 seconds, further calls take a tenth of a second.
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
	// Unlike template1, template0 has no connections that block a copy.
	must(tb, execute(server, "CREATE DATABASE "+name+" TEMPLATE template0"))
	tb.Cleanup(func() {
		if err := execute(server, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			tb.Errorf("testenv: %v", err)
		}
	})
	address.Path = "/" + name
	return address.String()
}

// PostgresServer is a private PostgreSQL server, for tests with faults. Commits are
// durable.
type PostgresServer struct {
	*Server

	postgres *postgres
}

// StartPostgres starts a server with a single database, in 1 to 2 seconds.
func StartPostgres(tb testing.TB) *PostgresServer {
	tb.Helper()
	p, err := started(func() (*postgres, error) { return newPostgres() })
	must(tb, err)
	return &PostgresServer{Server: newServer(tb, p.process), postgres: p}
}

// URL returns the URL of the only database. Restarts do not change it.
func (s *PostgresServer) URL() string { return s.postgres.url() }

func execute(server, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
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

// newPostgres prepares a server with additional settings.
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
	p.ready, p.release = p.checkReady, p.removeSharedMemory
	p.args = p.arguments(settings)
	return p, p.initialize(initdb)
}

func (p *postgres) arguments(settings []string) []string {
	args := []string{"-D", p.data()}
	for _, setting := range append([]string{
		"listen_addresses=127.0.0.1",
		"port=" + strconv.Itoa(p.port.number),
		// A temporary folder can exceed the length limit of socket paths.
		"unix_socket_directories=",
		"max_connections=300",
		"shared_buffers=32MB",
		// After a kill, other kinds leave shared memory outside the folder.
		"dynamic_shared_memory_type=mmap",
		// No replication.
		"wal_level=minimal",
		"max_wal_senders=0",
	}, settings...) {
		args = append(args, "-c", setting)
	}
	return args
}

func (p *postgres) initialize(initdb string) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	cmd := p.command(ctx, initdb, "--pgdata", p.data(), "--username", "postgres", "--auth", "trust",
		"--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initialize PostgreSQL: %w\n%s", err, out)
	}
	return nil
}

// owner makes an unprivileged user the owner of the folder when the tests run as
// root: PostgreSQL refuses to run as root.
func owner(dir string) (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil //nolint:nilnil // No other user is needed.
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
		return nil, fmt.Errorf("change owner of the PostgreSQL folder: %w", err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func (p *postgres) checkReady(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.url())
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

func (p *postgres) data() string { return p.dir + "/data" }

func (p *postgres) url() string {
	return "postgres://postgres@" + p.port.address() + "/postgres?sslmode=disable"
}

// removeSharedMemory removes the shared memory segment of a killed server; the
// system has 4,096 of them. Line 7 of the pid file holds the key and the id.
func (p *postgres) removeSharedMemory() {
	file, err := os.ReadFile(p.data() + "/postmaster.pid")
	if err != nil {
		return // clean shutdown
	}
	lines := strings.Split(string(file), "\n")
	if len(lines) < 7 {
		return
	}
	if memory := strings.Fields(lines[6]); len(memory) == 2 {
		// Without ipcrm the segment remains until a reboot.
		_ = exec.CommandContext(context.Background(), "ipcrm", "--shmem-id", memory[1]).Run() //nolint:gosec // The id was written by PostgreSQL.
	}
}
