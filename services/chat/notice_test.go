package chat_test

import (
	"context"
	"testing"

	"parley.internal/chat"
	"parley.internal/pkg/event"
)

// announced decodes data as E, as the router would, and says what is told.
func announced[E chat.Announcement](t *testing.T, data string) (string, error) {
	t.Helper()
	var told string
	var router event.Router[struct{}]
	event.Handle(&router, func(_ context.Context, _ struct{}, _ event.Message, e E) error {
		stream, text := e.Notice()
		told = stream + ": " + text
		return nil
	})
	var e E
	err := router.Dispatch(t.Context(), struct{}{}, event.Message{ID: "1", Type: e.Type(), Data: []byte(data)})
	if err != nil && !event.IsPermanent(err) {
		t.Errorf("%v may mend", err)
	}
	return told, err
}

func TestAgentsAreTold(t *testing.T) {
	const policy = `{"policyNumber":"P-1","productCode":"TRI","agentLogin":"jimmy.solid","totalPremium":98.00,
		"policyHolder":{"firstName":"A","lastName":"B","taxId":"1"}}`
	tests := map[string]struct {
		announced func(*testing.T, string) (string, error)
		data      string
		want      string // "" if the event is refused
	}{
		"a sale":               {announced[chat.PolicyCreated], policy, "Company: jimmy.solid just sold policy for TRI!!!"},
		"a termination":        {announced[chat.PolicyTerminated], policy, "Company: jimmy.solid terminated policy P-1 (TRI)"},
		"a product":            {announced[chat.ProductActivated], `{"ProductCode":"PET","ProductName":"Happy Pet"}`, "Company: New product: Happy Pet (PET)"},
		"a tariff":             {announced[chat.TariffChanged], `{"productCode":"TRI"}`, "Company: Tariff changed for TRI"},
		"a commission":         {announced[chat.CommissionCalculated], `{"agentLogin":"j","policyNumber":"P-1","amount":12.5}`, "Own:j: Commission of 12.50 for policy P-1"},
		"a payment":            {announced[chat.PaymentReceived], `{"agentLogin":"j","policyNumber":"P-1","amount":98}`, "Own:j: Payment of 98.00 received for policy P-1"},
		"an amount of nothing": {announced[chat.PaymentReceived], `{"agentLogin":"j","policyNumber":"P-1","amount":0}`, "Own:j: Payment of 0.00 received for policy P-1"},

		"a sale by nobody":            {announced[chat.PolicyCreated], `{"policyNumber":"P-1","productCode":"TRI"}`, ""},
		"a sale of nothing":           {announced[chat.PolicyCreated], `{"policyNumber":"P-1","productCode":" ","agentLogin":"j"}`, ""},
		"a termination of nothing":    {announced[chat.PolicyTerminated], `{"productCode":"TRI","agentLogin":"j"}`, ""},
		"a product without a name":    {announced[chat.ProductActivated], `{"productCode":"PET"}`, ""},
		"a tariff of nothing":         {announced[chat.TariffChanged], `{}`, ""},
		"a commission without amount": {announced[chat.CommissionCalculated], `{"agentLogin":"j","policyNumber":"P-1"}`, ""},
		"an amount that is null":      {announced[chat.CommissionCalculated], `{"agentLogin":"j","policyNumber":"P-1","amount":null}`, ""},
		"an amount of a third":        {announced[chat.PaymentReceived], `{"agentLogin":"j","policyNumber":"P-1","amount":0.333}`, ""},
		"an amount with zeros":        {announced[chat.PaymentReceived], `{"agentLogin":"j","policyNumber":"P-1","amount":12.5000}`, "Own:j: Payment of 12.50 received for policy P-1"},
		"an amount in words":          {announced[chat.PaymentReceived], `{"agentLogin":"j","policyNumber":"P-1","amount":"ten"}`, ""},
		"an amount as a text":         {announced[chat.PaymentReceived], `{"agentLogin":"j","policyNumber":"P-1","amount":"10"}`, ""},
		"what is not an object":       {announced[chat.PolicyCreated], `[]`, ""},
		"a name with a null byte":     {announced[chat.TariffChanged], `{"productCode":"T\u0000"}`, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			told, err := tt.announced(t, tt.data)
			if told != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("told %q, error %v", told, err)
			}
		})
	}
}
