package docs

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document is an AsyncAPI 3 document, reduced to the parts on a page.
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
	Action     string // send or receive, from the server's point of view
	Channel    reference
	Messages   []reference
	Reply      struct{ Messages []reference }
	Publishers []string `yaml:"x-publishers"` //nolint:tagliatelle // AsyncAPI prefixes extensions with x-.
}

type message struct {
	Summary, Description string
	Payload              schema
}

type reference struct {
	Ref string `yaml:"$ref"`
}

// name returns the last segment: Join of #/components/messages/Join.
func (r reference) name() string { return path.Base(r.Ref) }

// page is the content of messages.html.
type page struct {
	Title, About, Contract string
	Headers                []property // common to all messages
	Channels               []pageChannel
}

type pageChannel struct {
	Name, Address, Description string
	Messages                   []pageMessage
}

type pageMessage struct {
	Name, Direction, Summary, Description, Example string
	Properties                                     []property
	Result                                         *pageMessage // the returned message, if any
}

// reader turns an AsyncAPI document into a page.
type reader struct {
	document

	contract fs.FS
	schemas  schemas
	examples string // folder of one example per message
}

func readPage(contract fs.FS, file, examples string) (*page, error) {
	r := reader{contract: contract, examples: examples}
	content, err := fs.ReadFile(contract, file)
	if err != nil {
		return nil, err
	}
	if err := yaml.Unmarshal(content, &r.document); err != nil {
		return nil, fmt.Errorf("parse %s: %w", file, err)
	}
	if r.schemas, err = readSchemas(contract); err != nil {
		return nil, err
	}
	p, err := r.page()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	p.Contract = Path + "api/" + file
	return p, nil
}

func (r reader) page() (*page, error) {
	p := &page{Title: r.Info.Title, About: r.Info.Description}
	for _, trait := range r.Components.MessageTraits {
		headers, err := r.schemas.properties(trait.Headers)
		if err != nil {
			return nil, err
		}
		p.Headers = append(p.Headers, headers...)
	}
	for _, c := range r.Channels {
		channel := pageChannel{Name: c.name, Address: c.value.Address, Description: c.value.Description}
		for _, o := range r.Operations {
			if o.value.Channel.name() != c.name {
				continue
			}
			messages, err := r.messages(o.value)
			if err != nil {
				return nil, err
			}
			channel.Messages = append(channel.Messages, messages...)
		}
		p.Channels = append(p.Channels, channel)
	}
	return p, nil
}

func (r reader) messages(o operation) (all []pageMessage, err error) {
	direction := map[string]string{"receive": "the client calls", "send": "the server calls"}[o.Action]
	if len(o.Publishers) > 0 {
		direction = "published by " + strings.Join(o.Publishers, " and ")
	}
	for _, ref := range o.Messages {
		m, err := r.message(ref.name())
		if err != nil {
			return nil, err
		}
		m.Direction = direction
		for _, reply := range o.Reply.Messages {
			if m.Result, err = r.message(reply.name()); err != nil {
				return nil, err
			}
		}
		all = append(all, *m)
	}
	return all, nil
}

func (r reader) message(name string) (*pageMessage, error) {
	m, known := r.Components.Messages[name]
	if !known {
		return nil, fmt.Errorf("unknown message %s", name)
	}
	payload := m.Payload
	if m.Payload.Schema != nil {
		payload = *m.Payload.Schema
	}
	properties, err := r.schemas.properties(payload)
	if err != nil {
		return nil, fmt.Errorf("payload of %s: %w", name, err)
	}
	example, err := fs.ReadFile(r.contract, path.Join(r.examples, name+".json"))
	if err != nil {
		return nil, fmt.Errorf("example of %s: %w", name, err)
	}
	return &pageMessage{
		Name: name, Summary: m.Summary, Description: m.Description, Example: string(example), Properties: properties,
	}, nil
}
