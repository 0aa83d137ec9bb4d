package main

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/caarlos0/env/v11"

	chat "parley.internal/chat/server"
	"parley.internal/pkg/rabbit"
	"parley.internal/portal/server"
)

// config holds the environment variables of parley.
type config struct {
	Addr              string `env:"PARLEY_ADDR"         envDefault:"127.0.0.1:8080"`
	Data              string `env:"PARLEY_DATA"         envDefault:".parley"`
	AgentsFile        string `env:"PARLEY_AGENTS"`
	PolicyURL         string `env:"POLICY_URL"`
	ChatURL           string `env:"CHAT_URL"`
	PolicyDatabaseURL string `env:"POLICY_DATABASE_URL"`
	ChatDatabaseURL   string `env:"CHAT_DATABASE_URL"`
	AllowedOrigins    string `env:"ALLOWED_ORIGINS"`
	Secret            string `env:"AUTH_SECRET"`
	Broker            rabbit.Config
	Limits            chat.Limits
}

func readConfig(environ []string) (config, error) {
	cfg, err := env.ParseAsWithOptions[config](env.Options{Environment: env.ToMap(environ)})
	if err != nil {
		return config{}, fmt.Errorf("read environment: %w", err)
	}
	if err := cfg.Limits.Validate(); err != nil {
		return config{}, fmt.Errorf("read environment: %w", err)
	}
	return cfg, nil
}

// server returns the server's configuration without logger; Secret is only the
// variable's.
func (c config) server() server.Config {
	return server.Config{
		PolicyURL:         c.PolicyURL,
		ChatURL:           c.ChatURL,
		PolicyDatabaseURL: c.databaseURL(c.PolicyDatabaseURL, "policy.db"),
		ChatDatabaseURL:   c.databaseURL(c.ChatDatabaseURL, "chat.db"),
		DatabaseURL:       c.databaseURL("", "portal.db"),
		Secret:            []byte(c.Secret),
		AgentsFile:        c.AgentsFile,
		AllowedOrigins:    c.AllowedOrigins,
		Broker:            c.Broker,
		Limits:            c.Limits,
	}
}

// databaseURL defaults to an SQLite file in the data folder.
func (c config) databaseURL(url, file string) string {
	return cmp.Or(url, "sqlite:"+filepath.Join(c.Data, file))
}

// loadSecret reads the secret from a file with mode 0600. The first start creates
// the file.
func loadSecret(path string) ([]byte, error) {
	secret, err := os.ReadFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return secret, err
	}
	secret = []byte(rand.Text() + rand.Text()) // 52 bytes, 256 random bits
	// The rename is atomic: a partial secret would stay for ever.
	if err := os.WriteFile(path+".new", secret, 0o600); err != nil {
		return nil, err
	}
	return secret, os.Rename(path+".new", path)
}

// lock locks the data folder for one process. The operating system releases the
// lock when the process ends.
func lock(data string) (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(data, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data folder: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("data folder %s (PARLEY_DATA) is in use by another parley", data), file.Close())
	}
	return func() { _ = file.Close() }, nil
}

// hashPassword prints the hash of a password, the first line of r.
func hashPassword(r io.Reader, w io.Writer) error {
	input, err := io.ReadAll(io.LimitReader(r, 1<<12))
	if err != nil {
		return fmt.Errorf("read password: %w", err)
	}
	password, _, _ := strings.Cut(string(input), "\n")
	password = strings.TrimSuffix(password, "\r")
	if password == "" {
		return errors.New("no password on standard input")
	}
	_, err = fmt.Fprintln(w, server.HashPassword(password))
	return err
}
