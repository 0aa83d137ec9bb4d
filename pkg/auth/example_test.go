package auth_test

import (
	"fmt"
	"strings"
	"time"

	"parley.internal/pkg/auth"
)

func Example() {
	tokens, err := auth.NewSecret([]byte(strings.Repeat("k", auth.MinSecret)))
	if err != nil {
		panic(err)
	}
	jimmy := auth.Agent{Login: "jimmy.solid", Roles: []string{auth.Salesman}}
	token, err := tokens.Issue(jimmy, time.Now(), time.Now().Add(15*time.Minute))
	if err != nil {
		panic(err)
	}

	id, err := tokens.Verify(token)
	fmt.Println(id.Login, id.Has(auth.Admin), err)
	// Output: jimmy.solid false <nil>
}
