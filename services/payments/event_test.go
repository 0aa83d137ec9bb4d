package payments_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.internal/payments"
	"parley.internal/pkg/event"
)

func TestEventBooksMovement(t *testing.T) {
	tests := map[string]struct {
		eventType, body string
		want            []payments.Movement // none: the event is a permanent error
	}{
		"a sale opens the account": {
			"PolicyCreated", `{"policyNumber":"P-1","totalPremium":120.5}`,
			[]payments.Movement{{PolicyNumber: "P-1", Kind: payments.Opened, Amount: 12050, EventID: "e"}},
		},
		"a termination closes it": {
			"PolicyTerminated", `{"policyNumber":"P-1","amountToReturn":20.05}`,
			[]payments.Movement{{PolicyNumber: "P-1", Kind: payments.Closed, Amount: -2005, EventID: "e"}},
		},
		"trailing zeros":      {"PolicyCreated", `{"policyNumber":"P-1","totalPremium":1.5000}`, []payments.Movement{{PolicyNumber: "P-1", Kind: payments.Opened, Amount: 150, EventID: "e"}}},
		"no policy number":    {"PolicyCreated", `{"totalPremium":1}`, nil},
		"three decimals":      {"PolicyCreated", `{"policyNumber":"P-1","totalPremium":1.005}`, nil},
		"amount is a text":    {"PolicyTerminated", `{"policyNumber":"P-1","amountToReturn":"x"}`, nil},
		"amount is too large": {"PolicyTerminated", `{"policyNumber":"P-1","amountToReturn":1e18}`, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var router event.Router[struct{}]
			var got []payments.Movement
			payments.Handle(&router, func(_ context.Context, _ struct{}, m payments.Movement) error {
				got = append(got, m)
				return nil
			})
			err := router.Dispatch(t.Context(), struct{}{}, event.Message{ID: "e", Type: tt.eventType, Data: []byte(tt.body)})
			if event.IsPermanent(err) != (tt.want == nil) {
				t.Errorf("got error %v", err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("movements (-want +got):\n%s", diff)
			}
		})
	}
}
