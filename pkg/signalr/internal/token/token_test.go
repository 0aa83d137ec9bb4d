package token_test

import (
	"errors"
	"net/url"
	"sync"
	"testing"
	"time"

	"parley.internal/pkg/signalr/internal/token"
)

var now = time.Unix(1_000_000, 0)

func TestTokenIsValidOnEveryNodeWithTheKey(t *testing.T) {
	here, there := token.NewIssuer[*int]([]byte("one key")), token.NewIssuer[*int]([]byte("one key"))
	stranger := token.NewIssuer[*int]([]byte("another"))

	issued, text := here.Issue("jim", now)
	if url.QueryEscape(text) != text {
		t.Errorf("token %q needs escaping, and old clients do not escape", text)
	}
	if _, err := stranger.Claim(text, "jim", now); !errors.Is(err, token.ErrUnknown) {
		t.Errorf("node with another key: got error %v, want %v", err, token.ErrUnknown)
	}
	claimed, err := there.Claim(text, "jim", now.Add(token.Lifetime-time.Second))
	if err != nil || claimed != issued {
		t.Errorf("node with the same key: got error %v", err)
	}
	if here.PublicID(issued) != there.PublicID(claimed) {
		t.Error("the nodes derive different public IDs")
	}
}

func TestUsedTokensAreForgottenAfterExpiry(t *testing.T) {
	issuer, at, conn := token.NewIssuer[*int]([]byte("key")), now, new(int)
	var alive string
	for i := range 100 {
		_, text := issuer.Issue("jim", at)
		id, err := issuer.Claim(text, "jim", at)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			alive = text
			issuer.Attach(id, conn)
			continue
		}
		issuer.Release(id)
		if _, err := issuer.Claim(text, "jim", at); !errors.Is(err, token.ErrUnknown) {
			t.Errorf("released token: got error %v, want %v", err, token.ErrUnknown)
		}
	}
	at = at.Add(2 * token.Lifetime)
	_, text := issuer.Issue("jim", at)
	if _, err := issuer.Claim(text, "jim", at); err != nil {
		t.Fatal(err)
	}
	if got, err := issuer.Find(alive, "jim", at); got != conn || err != nil {
		t.Errorf("active token: got connection %p, error %v", got, err)
	}
	if got := issuer.Used(); got != 2 {
		t.Errorf("got %d used tokens, want the 2 active ones", got)
	}
}

func TestTokenIsClaimedOnce(t *testing.T) {
	issuer := token.NewIssuer[*int]([]byte("key"))
	_, text := issuer.Issue("jim", now)
	results := make(chan error, 10)
	var claiming sync.WaitGroup
	for range 10 {
		claiming.Go(func() {
			_, err := issuer.Claim(text, "jim", now)
			results <- err
		})
	}
	claiming.Wait()
	claimed := 0
	for range 10 {
		if err := <-results; err == nil {
			claimed++
		} else if !errors.Is(err, token.ErrActive) {
			t.Error(err)
		}
	}
	if claimed != 1 {
		t.Errorf("the token was claimed %d times, want 1", claimed)
	}
}

func FuzzToken(f *testing.F) {
	issuer := token.NewIssuer[*int]([]byte("key"))
	_, good := issuer.Issue("jim", now)
	f.Add(good, "anna")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, text, user string) {
		if _, err := issuer.Find(text, user, now); err == nil && (text != good || user != "jim") {
			t.Fatalf("user %q may use token %q", user, text)
		}
	})
}
