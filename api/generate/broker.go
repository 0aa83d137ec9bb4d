package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"
)

type object = map[string]any

// document is an AsyncAPI 3.0 document; its fields are in reading order.
type document struct {
	AsyncAPI           string   `yaml:"asyncapi"`
	Info               object   `yaml:"info"`
	DefaultContentType string   `yaml:"defaultContentType"`
	Channels           channels `yaml:"channels"`
	Operations         object   `yaml:"operations"`
	Components         object   `yaml:"components"`
}

type channels map[string]channel

type channel struct {
	Address     string `yaml:"address"`
	Title       any    `yaml:"title"`
	Description any    `yaml:"description"`
	Messages    object `yaml:"messages"`
	Bindings    object `yaml:"bindings"`
}

const about = `What happened in the business, on RabbitMQ. Each type of event is a routing key of one durable topic exchange; each
service that listens has a durable queue for each type, bound with the type and with its lower-case form. The body is
JSON in camelCase; the headers are CloudEvents 1.0. What is published under a type never changes its shape, it only
gains optional fields.
`

// broker returns asyncapi/events.yaml: a channel, a message and an operation for
// each event.
func broker(api string, events schemas) ([]byte, error) {
	d := document{
		AsyncAPI:           "3.0.0",
		Info:               object{"title": "Parley events", "version": "1.0.0", "description": about, "license": object{"name": "MIT"}},
		DefaultContentType: "application/json",
		Channels:           channels{},
		Operations:         object{},
	}
	messages := object{}
	for name, schema := range events {
		message, err := messageOf(api, name, schema)
		if err != nil {
			return nil, err
		}
		messages[name] = message
		d.Channels[name] = channelOf(name, schema)
		d.Operations["publish"+name] = operationOf(name, schema)
	}
	d.Components = object{"messages": messages, "messageTraits": object{"Event": trait()}}

	var out bytes.Buffer
	out.WriteString("# Made by `make generate` from schemas/events and examples/events. Do not edit.\n")
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(d); err != nil {
		return nil, fmt.Errorf("encode events.yaml: %w", err)
	}
	return out.Bytes(), encoder.Close()
}

func channelOf(name string, schema object) channel {
	return channel{
		Address:     name,
		Title:       schema["title"],
		Description: schema["description"],
		Messages:    object{name: ref("#/components/messages/" + name)},
		Bindings: object{"amqp": object{
			"is": "routingKey",
			"exchange": object{
				"name": "lab-dotnet-micro", "type": "topic", "durable": true, "autoDelete": false, "vhost": "/",
			},
			"bindingVersion": "0.3.0",
		}},
	}
}

// operationOf returns the publishers' operation. The schema names the publishers.
func operationOf(name string, schema object) object {
	return object{
		"action":       "send",
		"channel":      ref("#/channels/" + name),
		"messages":     []any{ref("#/channels/" + name + "/messages/" + name)},
		"summary":      schema["description"],
		"x-publishers": schema["x-publishers"],
		"bindings": object{"amqp": object{
			"deliveryMode": 2, "mandatory": true, "timestamp": true, "bindingVersion": "0.3.0",
		}},
	}
}

func messageOf(api, name string, schema object) (object, error) {
	file := filepath.Join(api, "examples", "events", name+".json")
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s has no example: %w", name, err)
	}
	// JSON is YAML. A node keeps the order of fields and the format of numbers.
	var example yaml.Node
	if err := yaml.Unmarshal(content, &example); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	plain(&example)
	return object{
		"name":        name,
		"title":       schema["title"],
		"summary":     schema["description"],
		"contentType": "application/json",
		"traits":      []any{ref("#/components/messageTraits/Event")},
		"payload":     ref("../schemas/events/" + name + ".yaml"),
		"examples":    []any{object{"name": name, "payload": example.Content[0]}},
		"bindings":    object{"amqp": object{"messageType": name, "bindingVersion": "0.3.0"}},
	}, nil
}

// plain removes the braces and quotes of JSON.
func plain(node *yaml.Node) {
	node.Style = 0
	for _, inner := range node.Content {
		plain(inner)
	}
}

// trait returns the headers of all messages.
func trait() object {
	text := func(description string) object { return object{"type": "string", "description": description} }
	return object{
		"headers": object{
			"type": "object",
			"required": []string{
				"cloudEvents:specversion", "cloudEvents:id", "cloudEvents:type", "cloudEvents:source", "cloudEvents:time",
			},
			"properties": object{
				"cloudEvents:specversion":  object{"type": "string", "const": "1.0"},
				"cloudEvents:id":           text("The event id, a UUIDv7, equal to message_id. An id takes effect once."),
				"cloudEvents:type":         text("The event type, equal to type and to the routing key."),
				"cloudEvents:source":       text("The publishing service, equal to app_id."),
				"cloudEvents:time":         object{"type": "string", "format": "date-time", "description": "Time of the event."},
				"cloudEvents:partitionkey": text("The partition key. Events of one key take effect in their order."),
				"cloudEvents:sequence":     object{"type": "string", "pattern": "^[0-9]+$", "description": "The position among the events of one partitionkey, from 1."},
				"traceparent":              text("W3C trace context."),
			},
		},
	}
}

func ref(to string) object { return object{"$ref": to} }
