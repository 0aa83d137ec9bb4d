package compat_test

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"parley.internal/verify/compat"
)

// contract is a small contract that uses every construct.
var contract = map[string]string{
	"openapi/shop.yaml": `
paths:
  /items:
    get:
      parameters:
        - {$ref: '#/components/parameters/Limit'}
        - {name: sort, in: query, schema: {type: string, enum: [name, price]}}
        - {name: Tenant, in: header, required: true, schema: {type: string}}
      responses:
        '200':
          description: Items.
          headers: {Total: {required: true, schema: {type: integer}}}
          content: {application/json: {schema: {type: array, items: {$ref: ../schemas/Item.yaml}}}}
        default: {$ref: '#/components/responses/Problem'}
    post:
      requestBody: {content: {application/json: {schema: {$ref: ../schemas/Order.yaml}}}}
      responses:
        '204': {description: Done.}
  /gone: {get: {responses: {'204': {description: Nothing.}}}}
components:
  parameters:
    Limit: {name: limit, in: query, schema: {type: integer, minimum: 1, maximum: 200}}
  responses:
    Problem: {description: Why not., content: {application/problem+json: {schema: {type: object, properties: {code: {type: string}}}}}}
`,
	"schemas/Item.yaml": `
title: Item
type: object
required: [name, price, state]
properties:
  name: {type: string}
  price: {type: number, multipleOf: 0.01}
  state: {type: string, enum: [new, used]}
  made: {type: string, format: date}
  parts: {type: array, items: {$ref: Item.yaml}}
  weights: {type: object, additionalProperties: {type: integer}}
  limits: {type: array, items: {type: integer}}
`,
	"schemas/Order.yaml": `
title: Order
type: object
required: [name]
properties:
  name: {type: string, minLength: 1, maxLength: 20, pattern: '^[a-z]+$'}
  amount: {type: [integer, "null"], maximum: 100}
  kind: {type: string, enum: [gift, own]}
  to:
    oneOf: [{type: string}, {type: array, maxItems: 9, items: {type: string}}]
  notes: {type: object}
`,
	"schemas/events/Sold.yaml": `
title: Sold
type: object
required: [item]
properties: {item: {type: string}, price: {type: number}}
`,
	"asyncapi/events.yaml": `
channels:
  Sold:
    address: Sold
    messages: {Sold: {$ref: '#/components/messages/Sold'}}
    bindings: {amqp: {exchange: {name: shop}}}
operations:
  publishSold:
    action: send
    channel: {$ref: '#/channels/Sold'}
    messages: [{$ref: '#/channels/Sold/messages/Sold'}]
components:
  messages: {Sold: {payload: {$ref: ../schemas/events/Sold.yaml}, traits: [{$ref: '#/components/messageTraits/Event'}]}}
  messageTraits: {Event: {headers: {type: object, required: [id], properties: {id: {type: string}}}}}
`,
	"asyncapi/hubs.yaml": `
channels:
  hub:
    address: /hub
    messages: {Say: {$ref: '#/components/messages/Say'}, SayResult: {$ref: '#/components/messages/SayResult'}, Said: {$ref: '#/components/messages/Said'}}
operations:
  Say:
    action: receive
    channel: {$ref: '#/channels/hub'}
    messages: [{$ref: '#/channels/hub/messages/Say'}]
    reply: {channel: {$ref: '#/channels/hub'}, messages: [{$ref: '#/channels/hub/messages/SayResult'}]}
  Said:
    action: send
    channel: {$ref: '#/channels/hub'}
    messages: [{$ref: '#/channels/hub/messages/Said'}]
components:
  messages:
    Say: {payload: {schemaFormat: x, schema: {type: array, minItems: 1, maxItems: 2, prefixItems: [{type: string}, {type: integer}]}}}
    SayResult: {payload: {schemaFormat: x, schema: {type: object, required: [at], properties: {at: {type: string}}}}}
    Said: {payload: {schemaFormat: x, schema: {type: array, minItems: 2, maxItems: 2, prefixItems: [{type: string}, {type: boolean}]}}}
`,
}

func files(change map[string]string) fs.FS {
	fsys := fstest.MapFS{}
	for name, content := range contract {
		if changed, ok := change[name]; ok {
			content = changed
		}
		if content != "" {
			fsys[name] = &fstest.MapFile{Data: []byte(content)}
		}
	}
	return fsys
}

// breaks compares the contract with a copy in which from is replaced by to.
func breaks(t *testing.T, file, from, to string) []string {
	t.Helper()
	if strings.Count(contract[file], from) != 1 {
		t.Fatalf("%s has %q %d times", file, from, strings.Count(contract[file], from))
	}
	found, err := compat.Breaks(files(nil), files(map[string]string{file: strings.Replace(contract[file], from, to, 1)}))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

const shop, item, order, sold, events, hubs = "openapi/shop.yaml", "schemas/Item.yaml", "schemas/Order.yaml",
	"schemas/events/Sold.yaml", "asyncapi/events.yaml", "asyncapi/hubs.yaml"

func TestIncompatibleChangeIsFound(t *testing.T) {
	tests := map[string]struct{ file, from, to, found string }{
		"path removed":                   {shop, "/gone:", "/here:", "/gone: is removed"},
		"operation removed":              {shop, "post:", "put:", "/items POST: is removed"},
		"parameter removed":              {shop, "name: sort", "name: order", "query parameter sort: is removed"},
		"parameter moved":                {shop, "name: sort, in: query", "name: sort, in: header", "query parameter sort: is removed"},
		"parameter newly required":       {shop, "name: sort, in: query", "name: sort, required: true, in: query", "query parameter sort: is newly required"},
		"new parameter required":         {shop, "- {name: sort", "- {name: new, in: query, required: true, schema: {}}\n        - {name: sort", "query parameter new: is newly required"},
		"parameter's values narrowed":    {shop, "[name, price]", "[name]", "the value price is removed"},
		"parameter's bound lowered":      {shop, "maximum: 200", "maximum: 100", "query parameter limit: maximum is lowered to 100"},
		"parameter retyped":              {shop, "{type: integer, minimum", "{type: string, minimum", "query parameter limit: the type is changed from integer to string"},
		"body newly required":            {shop, "requestBody: {content", "requestBody: {required: true, content", "request: is newly required"},
		"body removed":                   {shop, "requestBody: {content", "x-body: {content", "request: is removed"},
		"media type of body changed":     {shop, "{content: {application/json: {schema: {$ref: ../schemas/Order", "{content: {text/json: {schema: {$ref: ../schemas/Order", "request application/json: is removed"},
		"response removed":               {shop, "'200'", "'201'", "response 200: is removed"},
		"default response removed":       {shop, "default: {$ref", "'400': {$ref", "response default: is removed"},
		"media type of response changed": {shop, "application/problem+json", "application/json", "application/problem+json: is removed"},
		"response has a new body":        {shop, "{description: Done.}", "{description: Done., content: {text/plain: {}}}", "response 204: has a new body"},
		"header removed":                 {shop, "headers: {Total", "headers: {Sum", "header Total: is removed"},
		"header no longer sent":          {shop, "Total: {required: true", "Total: {required: false", "header Total: is no longer required"},
		"problem's field removed":        {shop, "{code: {type", "{error: {type", "/code: is removed"},

		"response's field removed":       {item, "  made:", "  born:", "/0/made: is removed"},
		"response's field optional":      {item, "[name, price, state]", "[name, price]", "/0/state: is no longer required"},
		"response's field retyped":       {item, "name: {type: string}", "name: {type: integer}", "/0/name: the type is changed from string to integer"},
		"response's field nullable":      {item, "name: {type: string}", `name: {type: [string, "null"]}`, "/0/name: the type is changed"},
		"response's whole number broken": {item, "limits: {type: array, items: {type: integer}}", "limits: {type: array, items: {type: number}}", "/0/limits/0: the type is changed"},
		"response's field of any type":   {item, "name: {type: string}", "name: {}", "/0/name: the type is changed"},
		"response's enum opened":         {item, "enum: [new, used]", "minLength: 1", "/0/state: is no longer one of [new used]"},
		"response's format dropped":      {item, ", format: date", "", "/0/made: format is changed"},
		"response's format changed":      {item, "format: date", "format: date-time", "/0/made: format is changed from date to date-time"},
		"response's cents finer":         {item, "0.01", "0.001", "/0/price: multipleOf is changed"},
		"response's map retyped":         {item, "additionalProperties: {type: integer}", "additionalProperties: {type: string}", "/0/weights/*: the type is changed"},
		"response's map closed":          {item, "additionalProperties: {type: integer}", "additionalProperties: false", "/0/weights: additionalProperties is changed"},

		"request's field removed":        {order, "amount:", "number:", "request application/json /amount: is removed"},
		"request's field required":       {order, "required: [name]", "required: [name, amount]", "/amount: is newly required"},
		"request's new field required":   {order, "required: [name]\nproperties:", "required: [name, new]\nproperties:\n  new: {}", "/new: is newly required"},
		"request's field retyped":        {order, `[integer, "null"]`, "[string]", "/amount: the type is changed"},
		"request's null rejected":        {order, `[integer, "null"]`, "integer", "/amount: the type is changed"},
		"request's enum narrowed":        {order, "[gift, own]", "[gift]", "/kind: the value own is removed"},
		"request's enum added":           {order, "{type: string, minLength", "{type: string, enum: [a], minLength", "/name: accepts only [a]"},
		"request's text longer":          {order, "minLength: 1", "minLength: 2", "/name: minLength is raised to 2"},
		"request's text shorter":         {order, "maxLength: 20", "maxLength: 19", "/name: maxLength is lowered to 19"},
		"request's number bound":         {order, ", maximum: 100", ", minimum: 0, maximum: 100", "/amount: minimum is raised to 0"},
		"request's pattern changed":      {order, "^[a-z]+$", "^[a-c]+$", "/name: pattern is changed"},
		"request's format added":         {order, "{type: string, minLength", "{type: string, format: uuid, minLength", "/name: format is changed"},
		"request's alternative removed":  {order, "[{type: string}, {type: array", "[{type: array", "/to: alternative 1 of oneOf has no counterpart"},
		"request's alternative narrowed": {order, "maxItems: 9", "maxItems: 8", "/to: alternative 2 of oneOf has no counterpart"},
		"request closed":                 {order, "notes: {type: object}", "notes: {type: object, additionalProperties: false}", "/notes: accepts no other properties"},
		"unknown keyword":                {order, "notes: {type: object}", "notes: {type: object, not: {required: [x]}}", "/notes: not is changed"},

		"event's field removed":   {sold, ", price: {type: number}", "", "publishSold /price: is removed"},
		"event's field required":  {sold, "[item]", "[item, price]", "publishSold /price: is newly required"},
		"event's field optional":  {sold, "required: [item]\n", "", "publishSold /item: is no longer required"},
		"event's field retyped":   {sold, "item: {type: string}", "item: {type: integer}", "publishSold /item: the type is changed"},
		"event's field narrowed":  {sold, "price: {type: number}", "price: {type: integer}", "publishSold /price: the type is changed"},
		"event renamed":           {events, "address: Sold", "address: Bought", "channel Sold: the address is changed"},
		"event moved":             {events, "{name: shop}", "{name: store}", "channel Sold: the binding is changed"},
		"event's header required": {events, "required: [id]", "required: [id, at]", "headers /at: is newly required"},
		"event's header removed":  {events, "{id: {type: string}}", "{key: {type: string}}", "headers /id: is removed"},
		"event not published":     {events, "publishSold:", "sell:", "operation publishSold: is removed"},

		"hub moved":                   {hubs, "address: /hub", "address: /hub2", "channel hub: the address is changed"},
		"hub method removed":          {hubs, "\n  Say:\n    action", "\n  Tell:\n    action", "operation Say: is removed"},
		"hub method turned":           {hubs, "action: receive", "action: send", "operation Say: the action is changed"},
		"hub argument required":       {hubs, "minItems: 1, maxItems: 2", "minItems: 2, maxItems: 2", "operation Say: minItems is raised to 2"},
		"hub argument retyped":        {hubs, "[{type: string}, {type: integer}]", "[{type: string}, {type: string}]", "operation Say argument 2: the type is changed"},
		"hub argument removed":        {hubs, "maxItems: 2, prefixItems: [{type: string}, {type: integer}]", "maxItems: 1, prefixItems: [{type: string}]", "operation Say argument 2: is removed"},
		"hub result removed":          {hubs, "reply:", "x-reply:", "operation Say: the reply is removed"},
		"hub result's field optional": {hubs, "required: [at], ", "", "operation Say /at: is no longer required"},
		"hub event gains an argument": {hubs, "{type: boolean}]", "{type: boolean}, {}]", "operation Said: has more arguments"},
		"hub event loses an argument": {hubs, "minItems: 2, maxItems: 2", "minItems: 1, maxItems: 2", "operation Said: minItems is lowered to 1"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			found := strings.Join(breaks(t, tt.file, tt.from, tt.to), "\n")
			if !strings.Contains(found, tt.found) {
				t.Errorf("want %q, got %q", tt.found, found)
			}
		})
	}
}

func TestCompatibleChangeIsAccepted(t *testing.T) {
	tests := map[string]struct{ file, from, to string }{
		"nothing":                     {shop, "/gone", "/gone"},
		"a new path":                  {shop, "  /gone:", "  /new: {get: {responses: {}}}\n  /gone:"},
		"a new operation":             {shop, "    post:", "    delete: {responses: {}}\n    post:"},
		"a new parameter":             {shop, "- {name: sort", "- {name: new, in: query, schema: {}}\n        - {name: sort"},
		"an optional parameter":       {shop, "name: Tenant, in: header, required: true", "name: Tenant, in: header"},
		"a wider parameter":           {shop, "maximum: 200", "maximum: 500"},
		"a new response":              {shop, "'204': {description: Done.}", "'204': {description: Done.}\n        '202': {description: Later.}"},
		"other words":                 {item, "title: Item", "title: Thing\ndescription: A thing."},
		"a new field of a response":   {item, "  made:", "  new: {type: string}\n  made:"},
		"a new required field":        {item, "[name, price, state]", "[name, price, state, made]"},
		"a new value in a response":   {item, "[new, used]", "[new, used, broken]"},
		"a narrower response":         {item, "name: {type: string}", "name: {type: string, maxLength: 5, format: uuid}"},
		"a new optional field":        {order, "  amount:", "  new: {type: string}\n  amount:"},
		"a property becomes optional": {order, "required: [name]\n", ""},
		"a wider request":             {order, `[integer, "null"]`, `[number, "null", string]`},
		"more values accepted":        {order, "[gift, own]", "[gift, own, loan]"},
		"a longer text":               {order, "maxLength: 20, pattern: '^[a-z]+$'", "maxLength: 200"},
		"a new alternative":           {order, "[{type: string}, ", "[{type: string}, {type: integer}, "},
		"a new event field":           {sold, "price: {type: number}", "price: {type: number}, to: {type: string}"},
		"a new event":                 {events, "channels:\n", "channels:\n  Bought: {address: Bought}\n"},
		"a new hub argument":          {hubs, "maxItems: 2, prefixItems: [{type: string}, {type: integer}]", "maxItems: 3, prefixItems: [{type: string}, {type: integer}, {}]"},
		"a new hub result field":      {hubs, "properties: {at: {type: string}}", "properties: {at: {type: string}, by: {type: string}}"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if found := breaks(t, tt.file, tt.from, tt.to); len(found) > 0 {
				t.Errorf("got %q", found)
			}
		})
	}
}

func TestRemovedDocumentIsFound(t *testing.T) {
	found, err := compat.Breaks(files(nil), files(map[string]string{hubs: ""}))
	if err != nil || len(found) != 1 || found[0] != "asyncapi/hubs.yaml: is removed" {
		t.Errorf("got %q, %v", found, err)
	}
}

func TestRemovedEventOrMessageIsFound(t *testing.T) {
	found, err := compat.Breaks(files(nil), files(map[string]string{
		events: "channels: {}\noperations: {}\n",
		hubs:   strings.ReplaceAll(contract[hubs], "Said", "Told"),
	}))
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(found, "\n")
	for _, want := range []string{
		"events.yaml channel Sold: is removed", "events.yaml operation publishSold: is removed",
		"hubs.yaml channel hub message Said: is removed", "hubs.yaml operation Said: is removed",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("want %q, got %q", want, all)
		}
	}
}

func TestUnreadableContractIsAnError(t *testing.T) {
	for name, change := range map[string]map[string]string{
		"a reference to nothing": {order: ""},
		"no YAML":                {events: "{"},
	} {
		if found, err := compat.Breaks(files(nil), files(change)); err == nil {
			t.Errorf("%s: got %q", name, found)
		}
	}
	if _, err := compat.Breaks(fstest.MapFS{}, files(nil)); err == nil {
		t.Error("got no error for an empty old version")
	}
}
