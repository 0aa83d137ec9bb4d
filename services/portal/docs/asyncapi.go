package docs

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document is what a reader needs of an AsyncAPI document, version 3.
type document struct {
	Info       struct{ Title, Description string }
	Channels   ordered[struct{ Address, Description string }]
	Operations ordered[operation]
	Components struct {
		Messages      map[string]message
		MessageTraits map[string]struct{ Headers schema } `yaml:"messageTraits"`
	}
}

type operation struct {
	Action     string // of the server: it sends, or receives
	Channel    reference
	Messages   []reference
	Reply      struct{ Messages []reference }
	Publishers []string `yaml:"x-publishers"` //nolint:tagliatelle // An extension's name has this prefix.
}

type message struct {
	Summary, Description string
	Payload              payload
}

type reference struct {
	Ref string `yaml:"$ref"`
}

// name is that of what is referred to: #/components/messages/Join.
func (r reference) name() string { return path.Base(r.Ref) }

// payload is a schema, or a schema and its format.
type payload struct{ schema }

// UnmarshalYAML implements yaml.Unmarshaler.
func (p *payload) UnmarshalYAML(node *yaml.Node) error {
	var formatted struct{ Schema *schema }
	if err := node.Decode(&formatted); err != nil || formatted.Schema == nil {
		return errors.Join(err, node.Decode(&p.schema))
	}
	p.schema = *formatted.Schema
	return nil
}

// page is a document as it is shown.
type page struct {
	Title, About, Contract string
	Headers                []property // what all messages have
	Channels               []channel
}

type channel struct {
	Name, Address, Description string
	Messages                   []shown
}

// shown is a message of a channel.
type shown struct {
	Name, Direction, Summary, Description, Example string
	Properties                                     []property
	Result                                         *shown // what the caller gets; nil for nothing
}

// read makes a page of a document and of the examples of its messages.
func read(contract fs.FS, file, examples string) (*page, error) {
	content, err := fs.ReadFile(contract, file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	var d document
	if err := yaml.Unmarshal(content, &d); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	r := reader{document: d, contract: contract, folder: path.Dir(file), examples: examples}
	p, err := r.page()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	p.Contract = Path + "api/" + file
	return p, nil
}

type reader struct {
	document

	contract         fs.FS
	folder, examples string
}

func (r reader) page() (*page, error) {
	p := &page{Title: r.Info.Title, About: r.Info.Description}
	for _, trait := range r.Components.MessageTraits {
		headers, err := r.properties(trait.Headers)
		if err != nil {
			return nil, err
		}
		p.Headers = append(p.Headers, headers...)
	}
	for _, c := range r.Channels {
		shown := channel{Name: c.name, Address: c.value.Address, Description: c.value.Description}
		for _, o := range r.Operations {
			if o.value.Channel.name() != c.name {
				continue
			}
			messages, err := r.messages(o.value)
			if err != nil {
				return nil, err
			}
			shown.Messages = append(shown.Messages, messages...)
		}
		p.Channels = append(p.Channels, shown)
	}
	return p, nil
}

func (r reader) messages(o operation) (all []shown, err error) {
	direction := map[string]string{"receive": "the client calls", "send": "the server calls"}[o.Action]
	if len(o.Publishers) > 0 {
		direction = "published by " + strings.Join(o.Publishers, " and ")
	}
	for _, m := range o.Messages {
		one, err := r.message(m.name())
		if err != nil {
			return nil, err
		}
		one.Direction = direction
		for _, reply := range o.Reply.Messages {
			if one.Result, err = r.message(reply.name()); err != nil {
				return nil, err
			}
		}
		all = append(all, *one)
	}
	return all, nil
}

func (r reader) message(name string) (*shown, error) {
	m, known := r.Components.Messages[name]
	if !known {
		return nil, fmt.Errorf("there is no message %s", name)
	}
	example, err := fs.ReadFile(r.contract, path.Join(r.examples, name+".json"))
	if err != nil {
		return nil, fmt.Errorf("example of %s: %w", name, err)
	}
	properties, err := r.properties(m.Payload.schema)
	if err != nil {
		return nil, fmt.Errorf("payload of %s: %w", name, err)
	}
	return &shown{
		Name: name, Summary: m.Summary, Description: m.Description, Example: string(example), Properties: properties,
	}, nil
}
