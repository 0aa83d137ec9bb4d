package docs

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"go.yaml.in/yaml/v3"
)

// page is an AsyncAPI 3 document, reduced to the parts on a page. It is the content
// of messages.html.
type page struct {
	Info       struct{ Title, Description string }
	Channels   ordered[struct{ Address, Description string }]
	Operations ordered[operation]
	Components struct {
		Messages      map[string]message
		MessageTraits map[string]struct{ Headers schema } `yaml:"messageTraits"`
	}
	Contract string `yaml:"-"` // path of the document

	files    fs.FS
	schemas  schemas
	examples string // folder of one example per message
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

// pageMessage is a message with the parts from other places.
type pageMessage struct {
	message

	Name, Direction, Example string
	Properties               []property
	Result                   *pageMessage // the returned message, if any
}

func readPage(contract fs.FS, file, examples string) (*page, error) {
	p := &page{Contract: Path + "api/" + file, files: contract, examples: examples}
	content, err := fs.ReadFile(contract, file)
	if err != nil {
		return nil, err
	}
	if err := yaml.Unmarshal(content, p); err != nil {
		return nil, fmt.Errorf("parse %s: %w", file, err)
	}
	p.schemas, err = readSchemas(contract)
	return p, err
}

// Headers returns the headers that are common to all messages.
func (p *page) Headers() (all []property, err error) {
	for _, trait := range p.Components.MessageTraits {
		headers, err := p.schemas.properties(trait.Headers)
		if err != nil {
			return nil, err
		}
		all = append(all, headers...)
	}
	return all, nil
}

// Messages returns the messages of a channel.
func (p *page) Messages(channel string) (all []*pageMessage, err error) {
	for _, o := range p.Operations {
		if o.Value.Channel.name() != channel {
			continue
		}
		for _, ref := range o.Value.Messages {
			m, err := p.message(ref.name())
			if err != nil {
				return nil, err
			}
			m.Direction = o.Value.direction()
			for _, reply := range o.Value.Reply.Messages {
				if m.Result, err = p.message(reply.name()); err != nil {
					return nil, err
				}
			}
			all = append(all, m)
		}
	}
	return all, nil
}

func (o operation) direction() string {
	if len(o.Publishers) > 0 {
		return "published by " + strings.Join(o.Publishers, " and ")
	}
	return map[string]string{"receive": "the client calls", "send": "the server calls"}[o.Action]
}

func (p *page) message(name string) (*pageMessage, error) {
	m, known := p.Components.Messages[name]
	if !known {
		return nil, fmt.Errorf("unknown message %s", name)
	}
	properties, err := p.schemas.properties(*cmp.Or(m.Payload.Schema, &m.Payload))
	if err != nil {
		return nil, fmt.Errorf("payload of %s: %w", name, err)
	}
	example, err := fs.ReadFile(p.files, path.Join(p.examples, name+".json"))
	if err != nil {
		return nil, fmt.Errorf("example of %s: %w", name, err)
	}
	return &pageMessage{message: m, Name: name, Example: string(example), Properties: properties}, nil
}
