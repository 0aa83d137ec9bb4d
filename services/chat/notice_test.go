package chat_test

import (
	"context"
	"strings"
	"testing"

	"parley.internal/api"
	"parley.internal/chat"
	"parley.internal/pkg/event"
)

// noticeOf dispatches an event and returns the stream and the text of its notice.
func noticeOf(t *testing.T, eventType string, data []byte) (notice string, err error) {
	t.Helper()
	var router event.Router[struct{}]
	chat.HandleNotices(&router, func(_ context.Context, _ struct{}, d chat.Draft) {
		if notice != "" || d.ID != "1" || d.Kind != chat.Notice || d.Source != "policy" || d.Author != "" {
			t.Errorf("appended %+v, want a single notice with the event's id and source", d)
		}
		notice = d.Stream + ": " + d.Body
	})
	err = router.Dispatch(t.Context(), struct{}{}, event.Message{ID: "1", Source: "policy", Type: eventType, Data: data})
	if err != nil && !event.IsPermanent(err) {
		t.Errorf("error %v is not permanent", err)
	}
	return notice, err
}

func TestEventBecomesANotice(t *testing.T) {
	const policy = `{"policyNumber":"P-1","productCode":"TRI","agentLogin":"jimmy.solid","totalPremium":98.00,
		"policyHolder":{"firstName":"A","lastName":"B","taxId":"1"}}`
	tests := map[string]struct{ eventType, data, want string }{
		"a sale":                     {"PolicyCreated", policy, "Company: jimmy.solid just sold policy for TRI!!!"},
		"a termination":              {"PolicyTerminated", policy, "Company: jimmy.solid terminated policy P-1 (TRI)"},
		"a product":                  {"ProductActivated", `{"ProductCode":"PET","ProductName":"Happy Pet"}`, "Company: New product: Happy Pet (PET)"},
		"a tariff":                   {"TariffChanged", `{"productCode":"TRI"}`, "Company: Tariff changed for TRI"},
		"a commission":               {"CommissionCalculated", `{"agentLogin":"j","policyNumber":"P-1","amount":12.5}`, "Own:j: Commission of 12.50 for policy P-1"},
		"a payment":                  {"PaymentReceived", `{"agentLogin":"j","policyNumber":"P-1","amount":98}`, "Own:j: Payment of 98.00 received for policy P-1"},
		"an amount of zero":          {"PaymentReceived", `{"agentLogin":"j","policyNumber":"P-1","amount":0}`, "Own:j: Payment of 0.00 received for policy P-1"},
		"an amount with extra zeros": {"PaymentReceived", `{"agentLogin":"j","policyNumber":"P-1","amount":12.5000}`, "Own:j: Payment of 12.50 received for policy P-1"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := noticeOf(t, tt.eventType, []byte(tt.data))
			if got != tt.want || err != nil {
				t.Errorf("got notice %q, want %q, error %v", got, tt.want, err)
			}
		})
	}
}

func TestInvalidEventIsRejected(t *testing.T) {
	tests := map[string]struct{ eventType, data string }{
		"a sale without an agent":           {"PolicyCreated", `{"policyNumber":"P-1","productCode":"TRI"}`},
		"a sale of a blank product":         {"PolicyCreated", `{"policyNumber":"P-1","productCode":" ","agentLogin":"j"}`},
		"a termination without a policy":    {"PolicyTerminated", `{"productCode":"TRI","agentLogin":"j"}`},
		"a product without a name":          {"ProductActivated", `{"productCode":"PET"}`},
		"a tariff without a product":        {"TariffChanged", `{}`},
		"a commission without an amount":    {"CommissionCalculated", `{"agentLogin":"j","policyNumber":"P-1"}`},
		"an amount of null":                 {"CommissionCalculated", `{"agentLogin":"j","policyNumber":"P-1","amount":null}`},
		"an amount with three decimals":     {"PaymentReceived", `{"agentLogin":"j","policyNumber":"P-1","amount":0.333}`},
		"an amount in words":                {"PaymentReceived", `{"agentLogin":"j","policyNumber":"P-1","amount":"ten"}`},
		"an amount in quotes":               {"PaymentReceived", `{"agentLogin":"j","policyNumber":"P-1","amount":"10"}`},
		"an array":                          {"PolicyCreated", `[]`},
		"a product's code with a null byte": {"TariffChanged", `{"productCode":"T\u0000"}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got, err := noticeOf(t, tt.eventType, []byte(tt.data)); got != "" || err == nil {
				t.Errorf("got notice %q, error %v, want an error", got, err)
			}
		})
	}
}

func TestEveryEventOfTheContractHasANotice(t *testing.T) {
	files, err := api.Files.ReadDir("examples/events")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d examples, error %v", len(files), err)
	}
	for _, file := range files {
		t.Run(file.Name(), func(t *testing.T) {
			data, err := api.Files.ReadFile("examples/events/" + file.Name())
			if err != nil {
				t.Fatal(err)
			}
			notice, err := noticeOf(t, strings.TrimSuffix(file.Name(), ".json"), data)
			if err != nil || notice == "" || strings.Contains(notice, "  ") {
				t.Errorf("got notice %q, error %v", notice, err)
			}
		})
	}
	var router event.Router[struct{}]
	chat.HandleNotices(&router, nil)
	if n := len(router.Types()); n != len(files) {
		t.Errorf("got handlers for %d events, want %d: one for each example", n, len(files))
	}
}
