package contract

import "fmt"

// Response is a documented response of an operation.
type Response struct {
	Content map[string]*Schema // by media type; empty: no body
	Headers []*Parameter
}

// response reads a response object.
func (l *loader) response(n node) (*Response, error) {
	n, err := n.resolve()
	if err != nil {
		return nil, err
	}
	re := &Response{Content: map[string]*Schema{}}
	for media, content := range n.get("content").each() {
		if re.Content[media], err = l.schema(content.get("schema")); err != nil {
			return nil, err
		}
	}
	for name, raw := range n.get("headers").each() {
		header, err := raw.resolve()
		if err != nil {
			return nil, err
		}
		p, err := l.parameter(header, name, "header")
		if err != nil {
			return nil, fmt.Errorf("header %s: %w", name, err)
		}
		re.Headers = append(re.Headers, p)
	}
	return re, nil
}
