package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/caarlos0/env/v11"

	"parley.internal/pkg/rabbit"
	"parley.internal/portal/server"
)

// config is parley's environment.
type config struct {
	Addr              string  `env:"PARLEY_ADDR"         envDefault:"127.0.0.1:8080"`
	Data              string  `env:"PARLEY_DATA"         envDefault:".parley"`
	AgentsFile        string  `env:"PARLEY_AGENTS"`
	PolicyURL         string  `env:"POLICY_URL"`
	ChatURL           string  `env:"CHAT_URL"`
	PolicyDatabaseURL string  `env:"POLICY_DATABASE_URL"`
	ChatDatabaseURL   string  `env:"CHAT_DATABASE_URL"`
	AllowedOrigins    string  `env:"ALLOWED_ORIGINS"`
	Secret            string  `env:"AUTH_SECRET"`
	BrokerURLs        string  `env:"RABBITMQ_URL"`
	Exchange          string  `env:"EVENTS_EXCHANGE"`
	QueueType         string  `env:"EVENTS_QUEUE_TYPE"`
	Queues            string  `env:"EVENTS_QUEUES"`
	MessageRate       float64 `env:"CHAT_MESSAGE_RATE"   envDefault:"20"`
	Connections       int     `env:"CHAT_CONNECTIONS"    envDefault:"20"`
	ConnectRate       float64 `env:"CHAT_CONNECT_RATE"   envDefault:"0"`
}

// maxLimit is more than anybody means.
const maxLimit = 1e6

func readConfig(environ []string) (config, error) {
	cfg, err := env.ParseAsWithOptions[config](env.Options{Environment: env.ToMap(environ)})
	if err != nil {
		return config{}, fmt.Errorf("read environment: %w", err)
	}
	// Not a number is neither.
	if !(cfg.MessageRate >= 0 && cfg.MessageRate < maxLimit && cfg.ConnectRate >= 0 && cfg.ConnectRate < maxLimit) ||
		cfg.Connections < 0 {
		return config{}, errors.New("read environment: a CHAT_ limit is not a number from 0 to a million; 0 means none")
	}
	return cfg, nil
}

// settings reads what the environment points to.
func (c config) settings(log *slog.Logger) (server.Config, error) {
	secret := []byte(c.Secret)
	if len(secret) == 0 {
		var err error
		if secret, err = keptSecret(filepath.Join(c.Data, "secret")); err != nil {
			return server.Config{}, fmt.Errorf("the secret that signs tokens: %w", err)
		}
	}
	settings := c.places()
	settings.Secret = secret
	settings.Log = log
	return settings, nil
}

// places is where things are, and what was set.
func (c config) places() server.Config {
	return server.Config{
		PolicyURL:         c.PolicyURL,
		ChatURL:           c.ChatURL,
		PolicyDatabaseURL: c.databaseURL(c.PolicyDatabaseURL, "policy.db"),
		ChatDatabaseURL:   c.databaseURL(c.ChatDatabaseURL, "chat.db"),
		DatabaseURL:       c.databaseURL("", "portal.db"),
		AgentsFile:        c.AgentsFile,
		AllowedOrigins:    c.AllowedOrigins,
		Broker: rabbit.Config{
			URLs: c.BrokerURLs, Exchange: c.Exchange, QueueType: c.QueueType, Queues: c.Queues,
		},
		MessageRate: c.MessageRate, Connections: c.Connections, ConnectRate: c.ConnectRate,
	}
}

func (c config) databaseURL(given, file string) string {
	if given != "" {
		return given
	}
	return "sqlite:" + filepath.Join(c.Data, file)
}

// keptSecret reads the secret in a file that only this user can read, and makes
// it at the first start.
func keptSecret(path string) ([]byte, error) {
	secret, err := os.ReadFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return secret, err
	}
	random := make([]byte, 32)
	_, _ = rand.Read(random) // It never fails: it ends the process instead.
	secret = []byte(base64.RawStdEncoding.EncodeToString(random))
	// Whole or not at all: half a secret would be kept for ever.
	if err := os.WriteFile(path+".new", secret, 0o600); err != nil {
		return nil, err
	}
	return secret, os.Rename(path+".new", path)
}

// lock makes sure that one process works in a data folder. The lock goes with
// the process, however it ends.
func lock(data string) (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(data, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another parley works in %s (PARLEY_DATA)", data), file.Close())
	}
	return func() { _ = file.Close() }, nil
}

// hashPassword prints the hash of the password on the first line of r.
func hashPassword(r io.Reader, w io.Writer) error {
	input, err := io.ReadAll(io.LimitReader(r, 1<<12))
	if err != nil {
		return fmt.Errorf("read the password: %w", err)
	}
	password, _, _ := strings.Cut(string(input), "\n")
	password = strings.TrimSuffix(password, "\r")
	if password == "" {
		return errors.New("there is no password on standard input")
	}
	_, err = fmt.Fprintln(w, server.HashPassword(password))
	return err
}
