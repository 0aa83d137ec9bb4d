package expression_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.internal/pkg/fault"
	"parley.internal/policy"
	"parley.internal/policy/expression"
)

var now = time.Date(2026, 11, 20, 9, 30, 0, 0, time.UTC)

// standard returns a product of the standard catalogue, activated, and its compiled tariff.
func standard(t *testing.T, code string) (policy.Product, policy.Pricer) {
	t.Helper()
	catalogue, err := policy.Standard()
	if err != nil {
		t.Fatal(err)
	}
	for i, product := range catalogue.Products {
		if product.Code != code {
			continue
		}
		tariff, err := expression.Compile(&product, catalogue.Tariffs[i])
		if err != nil {
			t.Fatal(err)
		}
		product.Status = policy.ProductActive
		return product, tariff
	}
	t.Fatalf("no product %s in the standard catalogue", code)
	return policy.Product{}, nil
}

// answers parses `DESTINATION="EUR" NUM_OF_ADULTS=1`.
func answers(product policy.Product, text string) []policy.Answer {
	types := make(map[string]policy.QuestionType)
	for _, q := range product.Questions {
		types[q.Code] = q.Type
	}
	var all []policy.Answer
	for pair := range strings.FieldsSeq(text) {
		code, value, _ := strings.Cut(pair, "=")
		all = append(all, policy.Answer{QuestionCode: code, QuestionType: types[code], Answer: json.RawMessage(value)})
	}
	return all
}

func price(t *testing.T, code, covers, given string) (*policy.Offer, error) {
	t.Helper()
	product, tariff := standard(t, code)
	return product.Offer(tariff, policy.OfferRequest{
		Period:  policy.Period{From: policy.DateOf(now), To: policy.DateOf(now) + 5},
		Covers:  strings.Fields(covers),
		Answers: answers(product, given),
	}, now)
}

func TestStandardTariffsPriceKnownAnswers(t *testing.T) {
	tests := map[string]struct {
		product, covers, answers string
		want                     string
	}{
		"a family in Europe": {
			"TRI", "C1 C2 C3", `DESTINATION="EUR" NUM_OF_ADULTS=1 NUM_OF_CHILDREN=1`, "26.00 + 52.00 + 20.00 = 98.00",
		},
		"a family in Poland": {
			"TRI", "C1 C2 C3", `DESTINATION="PL" NUM_OF_ADULTS=1 NUM_OF_CHILDREN=1`, "34.00 + 52.00 + 20.00 = 106.00",
		},
		"a family around the world": {
			"TRI", "C1 C2 C3", `DESTINATION="WORLD" NUM_OF_ADULTS=2 NUM_OF_CHILDREN=1`, "102.00 + 117.00 + 45.00 = 264.00",
		},
		"a child alone": {
			"TRI", "C1 C2", `DESTINATION="EUR" NUM_OF_ADULTS=0 NUM_OF_CHILDREN=1`, "0.00 + 26.00 = 26.00",
		},
		"a flat": {
			"HSI", "C1 C2 C3", `TYP="APT" AREA=95 NUM_OF_CLAIM=1 FLOOD="NO"`, "118.75 + 23.75 + 30.00 = 172.50",
		},
		"a flat with assistance": {
			"HSI", "C1 C2 C3 C4", `TYP="APT" AREA=95 NUM_OF_CLAIM=1 FLOOD="NO"`, "118.75 + 23.75 + 30.00 + 50.00 = 222.50",
		},
		"a house": {
			"HSI", "C1 C2", `TYP="HOUSE" AREA=100 NUM_OF_CLAIM=0 FLOOD="NO"`, "150.00 + 45.00 = 195.00",
		},
		"a flat by the river, rounded half to even": {
			"HSI", "C1 C2", `TYP="APT" AREA=95 NUM_OF_CLAIM=1 FLOOD="YES"`, "178.12 + 35.62 = 213.74",
		},
		"two markups, rounded after each": {
			"HSI", "C1 C2", `TYP="APT" AREA=95 NUM_OF_CLAIM=2 FLOOD="YES"`, "222.65 + 44.52 = 267.17",
		},
		"base premium is not rounded before markups": {
			"HSI", "C1", `TYP="APT" AREA=0.03 NUM_OF_CLAIM=2 FLOOD="NO"`, "0.05 = 0.05",
		},
		"a farm": {
			"FAI", "C1 C2 C3 C4", `TYP="ZB" AREA=12.5 NUM_OF_CLAIM=2`, "10.00 + 20.00 + 30.00 + 40.00 = 100.00",
		},
		"a farm with claims": {
			"FAI", "C1 C4", `TYP="KW" AREA=12.5 NUM_OF_CLAIM=3`, "20.00 + 80.00 = 100.00",
		},
		"a car":             {"CAR", "C1", `NUM_OF_CLAIM=2`, "100.00 = 100.00"},
		"a car with claims": {"CAR", "C1", `NUM_OF_CLAIM=3`, "150.00 = 150.00"},
		"a dog":             {"PET", "C1 C2", `SPECIES="DOG" AGE=3`, "72.00 + 25.00 = 97.00"},
		"an old cat":        {"PET", "C1 C2", `SPECIES="CAT" AGE=9`, "93.80 + 14.00 = 107.80"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			offer, err := price(t, tt.product, tt.covers, tt.answers)
			if err != nil {
				t.Fatal(err)
			}
			var premiums []string
			for _, cover := range offer.Covers {
				premiums = append(premiums, cover.Premium.String())
			}
			got := strings.Join(premiums, " + ") + " = " + offer.Total.String()
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("price (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPriceOfZeroIsRejected(t *testing.T) {
	_, err := price(t, "TRI", "C1 C2", `DESTINATION="EUR" NUM_OF_ADULTS=0 NUM_OF_CHILDREN=0`)
	if !errors.Is(err, policy.ErrPriceNotPositive) {
		t.Errorf("got error %v", err)
	}
}

// shop returns a product with one cover and a question of each type.
func shop() *policy.Product {
	return &policy.Product{
		Code:   "SHOP",
		Status: policy.ProductActive,
		Covers: []policy.Cover{{Code: "C1"}},
		Questions: []policy.Question{
			{Code: "AREA", Type: policy.QuestionNumeric},
			{Code: "KIND", Type: policy.QuestionChoice, Choices: []policy.Choice{{Code: "BAKER"}, {Code: "BANKER"}}},
			{Code: "NAME", Type: policy.QuestionText},
		},
	}
}

func one(when, premium string) policy.Tariff {
	return policy.Tariff{Base: []policy.BaseRule{{Cover: "C1", When: when, Premium: premium}}}
}

func TestExpressionIsExact(t *testing.T) {
	tests := map[string]struct {
		when, premium string
		area          string
		want          string
	}{
		"tenths without binary rounding": {"", "0.1 + 0.2 - 0.3 + AREA", "1.00", "1.00"},
		"many digits":                    {"", "AREA * 0.000001", "123456789012", "123456.79"},
		"parentheses and precedence":     {"", "(AREA + 1) * 2 - 1 - 1", "1.5", "3.00"},
		"a choice between numbers":       {"", `KIND == "BAKER" ? AREA * 2 : AREA`, "7", "14.00"},
		"equal, however written":         {"AREA == 1.50 and 1.5 == AREA", "1", "1.5", "1.00"},
		"different":                      {"AREA != 1.51 && !(AREA != 1.5)", "1", "1.5", "1.00"},
		"less and more":                  {"AREA < 2 and AREA <= 1.5 and AREA > 1 and AREA >= 1.5", "1", "1.5", "1.00"},
		"either":                         {`KIND == "BANKER" or NAME == "Anna's"`, "1", "1", "1.00"},
		"compared twice":                 {"(AREA * 2 > 2) == true", "1", "1.5", "1.00"},
		"arithmetic on both sides":       {"1 + AREA * 2 < 2 * AREA + 1.01", "1", "1.5", "1.00"},
		"a large product that fits":      {"", "AREA * AREA", "3000000", "9000000000000.00"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tariff, err := expression.Compile(shop(), one(tt.when, tt.premium))
			if err != nil {
				t.Fatal(err)
			}
			area, err := policy.ParseNumber(tt.area)
			if err != nil {
				t.Fatal(err)
			}
			premiums, err := tariff.Price([]string{"C1"}, map[string]policy.Value{
				"AREA": {Numeric: true, Number: area}, "KIND": {Text: "BAKER"}, "NAME": {Text: "Anna's"},
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := premiums[0].Premium.String(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestInvalidExpressionIsRejected(t *testing.T) {
	deep := strings.Repeat("(", 400) + "1" + strings.Repeat(")", 400)
	tests := map[string]struct {
		when, premium string
		why           string
	}{
		"an empty premium":               {"", "", "unexpected token EOF"},
		"broken":                         {"", "AREA *", "unexpected token EOF"},
		"an unknown name":                {"", "AERA * 2", "unknown name AERA, at character 1"},
		"a name with a dollar sign":      {"", "$env", "unknown name $env"},
		"a text for a premium":           {"", "NAME", "is not a number"},
		"a condition for a premium":      {"", "AREA > 1", "is not a number"},
		"a number for a condition":       {"AREA", "1", "is not true or false"},
		"mixed branches for a condition": {`AREA > 1 ? true : "x"`, "1", "is not true or false"},
		"mixed branches for a premium":   {"", `AREA > 1 ? 1 : "x"`, "is not a number"},
		"a text times a number":          {"", "NAME * 2", "mismatched types"},
		"a text and a number":            {`KIND == 5`, "1", "mismatched types"},
		"mismatched types in a branch":   {"", `AREA * (KIND == 5 ? 1 : 2)`, "mismatched types"},
		"a misspelt choice":              {`KIND == "BAKR"`, "1", `"BAKR" is no choice of KIND, at character 6`},
		"a misspelt choice on the left":  {`"BAKR" != KIND`, "1", `"BAKR" is no choice of KIND`},
		"a division":                     {"", "AREA / 3", "division is not exact"},
		"a power":                        {"", "AREA ** 9", "operator ** is not allowed"},
		"a remainder":                    {"", "AREA % 2", "operator % is not allowed"},
		"a sign":                         {"", "-AREA", "operator - is not allowed before a value"},
		"an exponent":                    {"", "1e3", "is not a plain number"},
		"a hexadecimal number":           {"", "0x10", "is not a plain number"},
		"too many digits":                {"", "1.0000000000001", "is not a plain number"},
		"a loop":                         {"all(1..1000000000, # > 0)", "1", "operator .. is not allowed"},
		"nested loops":                   {"", "reduce(map(1..9999, {1..9999}), #acc + len(#), 0)", "operator .. is not allowed"},
		"a range":                        {"AREA in 1..1000000000", "1", "operator .. is not allowed"},
		"a function":                     {"", "max(AREA, 1)", "are allowed"},
		"a call without arguments":       {"", "AREA()", "are allowed"},
		"the time":                       {`now() > now()`, "1", "are allowed"},
		"a method":                       {"", "AREA.Neg()", "are allowed"},
		"a member":                       {"", "AREA.coef", "are allowed"},
		"a variable":                     {"", "let x = AREA; x * x", "are allowed, at character 7"},
		"a sequence":                     {"", "AREA; AREA", "are allowed"},
		"a pattern":                      {`NAME matches "(a+)+$"`, "1", "operator matches is not allowed"},
		"a list":                         {`NAME in ["a"]`, "1", "are allowed"},
		"nil":                            {"", "nil", "unknown name nil"},
		"a name after the end":           {"", "1 EOF", "operator EOF is not allowed"},
		"a bracket left open":            {"", "(AREA", "unexpected token EOF, at character 5"},
		"a text left open":               {`NAME == "a`, "1", "are allowed, at character 9"},
		"a broken escape":                {`NAME == "\d"`, "1", `"\d" is not a valid text`},
		"a condition that is a number":   {"", "AREA ? 1 : 2", "the condition before ? is not true or false"},
		"texts in order":                 {`NAME < "b"`, "1", "mismatched types: a text and a text"},
		"a default for nothing":          {"", "AREA ?? 1", "operator ?? is not allowed"},
		"too long":                       {"", "1" + strings.Repeat(" + 1", 125), "longer than 500 characters"},
		"too deep":                       {"", deep, "longer than 500 characters"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := expression.Compile(shop(), one(tt.when, tt.premium))
			if !errors.Is(err, policy.ErrTariffInvalid) {
				t.Fatalf("got error %v", err)
			}
			if !strings.Contains(err.Error(), tt.why) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %q, want %q, on one line", err, tt.why)
			}
		})
	}
}

func TestTariffMustFitItsProduct(t *testing.T) {
	two := shop()
	two.Covers = append(two.Covers, policy.Cover{Code: "C2"})
	many := policy.Tariff{Markups: make([]policy.Markup, 101)}
	tests := map[string]struct {
		product *policy.Product
		tariff  policy.Tariff
		why     string
	}{
		"a cover without a price":       {two, one("", "1"), "no rule prices cover C2"},
		"a cover of another product":    {shop(), policy.Tariff{Base: []policy.BaseRule{{Cover: "C9", Premium: "1"}}}, `no cover "C9"`},
		"no rules":                      {shop(), policy.Tariff{}, "no rule prices cover C1"},
		"too many rules":                {shop(), many, "more than 100 rules"},
		"a markup with a bad condition": {shop(), policy.Tariff{Base: one("", "1").Base, Markups: []policy.Markup{{When: "X", Factor: "1"}}}, "markup 1, when: unknown name X"},
		"a markup with a bad factor":    {shop(), policy.Tariff{Base: one("", "1").Base, Markups: []policy.Markup{{Factor: "true"}}}, "markup 1, factor: is not a number"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := expression.Compile(tt.product, tt.tariff)
			if !errors.Is(err, policy.ErrTariffInvalid) || !strings.Contains(err.Error(), tt.why) {
				t.Errorf("got %v, want %q", err, tt.why)
			}
		})
	}
}

func TestErrorPointsToAllInvalidRules(t *testing.T) {
	_, err := expression.Compile(shop(), policy.Tariff{
		Base: []policy.BaseRule{
			{Cover: "C1", When: "AREA", Premium: "AREA *"}, {Cover: "C1", Premium: "1"}, {Cover: "C9", Premium: "1"},
		},
		Markups: []policy.Markup{{Factor: "1"}, {When: "X", Factor: "true"}},
	})
	got := map[string]string{}
	for _, field := range fault.Of(err).Fields {
		got[field.Pointer] = field.Detail
	}
	want := map[string]string{
		"#/base/0/when":      "is not true or false",
		"#/base/0/premium":   "unexpected token EOF, at character 6",
		"#/base/2/cover":     `the product has no cover "C9"`,
		"#/markups/1/when":   "unknown name X, at character 1",
		"#/markups/1/factor": "is not a number",
	}
	if diff := cmp.Diff(want, got); diff != "" || !strings.Contains(err.Error(), "base rule 1, when: is not true or false") {
		t.Errorf("error %v, fields (-want +got):\n%s", err, diff)
	}
}

// A constant premium or factor must be positive.
func TestConstantAmountMustBePositive(t *testing.T) {
	const factor, premium = "#/markups/0/factor", "#/base/0/premium"
	tests := map[string]struct{ premium, factor, pointer, why string }{
		"a factor of zero":            {"1", "0", factor, "is always 0, and must be more than 0"},
		"a negative factor":           {"1", "0 - 1", factor, "is always -1, and must be more than 0"},
		"a factor of too many digits": {"1", "999999999999 * 999999999999", factor, "has too many digits to be computed exactly"},
		"a premium of zero":           {"0", "1", premium, "is always 0.00, and must be more than 0"},
		"a negative premium":          {"1 - 2 * 3", "1", premium, "is always -5.00, and must be more than 0"},
		"half a cent":                 {"0.005", "1", premium, "is always 0.00, and must be more than 0"},
		"a constant ?:":               {"1 > 2 ? 1 : 0", "1", premium, "is always 0.00, and must be more than 0"},
		"too large a premium":         {"99999999999 * 101", "1", premium, "is always too large an amount"},
		"a cent":                      {premium: "0.01", factor: "0.000001"},
		"more than half a cent":       {premium: "0.006", factor: "1"},
		"answers change the premium":  {premium: "0 - AREA", factor: "AREA * 0"},
		"answers choose the premium":  {premium: `KIND == "BAKER" ? 0 : 1`, factor: `KIND == "BAKER" ? 0 : 1`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tariff := one(`KIND == "BAKER"`, tt.premium)
			tariff.Markups = []policy.Markup{{When: "AREA > 1", Factor: tt.factor}}
			_, err := expression.Compile(shop(), tariff)
			if tt.pointer == "" {
				if err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			fields := fault.Of(err).Fields
			if !errors.Is(err, policy.ErrTariffInvalid) || len(fields) != 1 || fields[0].Pointer != tt.pointer ||
				!strings.Contains(fields[0].Detail, tt.why) {
				t.Errorf("got %v, fields %v", err, fields)
			}
		})
	}
}

func TestLengthCountsCharactersNotBytes(t *testing.T) {
	name := func(letters int) string { return `NAME == "` + strings.Repeat("ł", letters) + `"` }
	if _, err := expression.Compile(shop(), one(name(490), "1")); err != nil {
		t.Errorf("500 characters: %v", err)
	}
	if _, err := expression.Compile(shop(), one(name(491), "1")); !errors.Is(err, policy.ErrTariffInvalid) {
		t.Errorf("501 characters: %v", err)
	}
}

func TestInexactPriceIsRejected(t *testing.T) {
	tests := map[string]struct {
		tariff policy.Tariff
		err    error
	}{
		"rounded digits":      {one("", "AREA * AREA * AREA"), policy.ErrInexact},
		"too large an amount": {one("", "AREA > 0 ? 99999999999 * 101 : 1"), policy.ErrAmountTooLarge},
		"no rule holds":       {one("AREA < 1", "1"), policy.ErrNotPriced},
	}
	area, err := policy.ParseNumber("123456.789012")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tariff, err := expression.Compile(shop(), tt.tariff)
			if err != nil {
				t.Fatal(err)
			}
			got, err := tariff.Price([]string{"C1"}, map[string]policy.Value{
				"AREA": {Numeric: true, Number: area}, "KIND": {Text: "BAKER"}, "NAME": {Text: "Anna"},
			})
			if !errors.Is(err, tt.err) {
				t.Errorf("got %v, error %v, want %v", got, err, tt.err)
			}
		})
	}
}

func ExampleCompile() {
	product := shop()
	tariff, err := expression.Compile(product, policy.Tariff{
		Base:    []policy.BaseRule{{Cover: "C1", Premium: "AREA * 1.25"}},
		Markups: []policy.Markup{{When: `KIND == "BAKER"`, Factor: "1.5"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	offer, err := product.Offer(tariff, policy.OfferRequest{
		Period:  policy.Period{From: policy.DateOf(now), To: policy.DateOf(now).AddYears(1)},
		Covers:  []string{"C1"},
		Answers: answers(*product, `AREA=95 KIND="BAKER" NAME="Anna"`),
	}, now)
	fmt.Println(offer.Total, err)

	_, err = expression.Compile(product, policy.Tariff{
		Base: []policy.BaseRule{{Cover: "C1", When: `KIND == "BRAKER"`, Premium: "1"}},
	})
	fmt.Println(err)
	// Output:
	// 178.12 <nil>
	// Tariff of product SHOP, base rule 1, when: "BRAKER" is no choice of KIND, at character 6.
}
