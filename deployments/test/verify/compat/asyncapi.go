package compat

import "slices"

// asyncapi compares channels, and operations with their messages. Clients write
// the messages that the document's application receives, and read the messages
// that the application sends. Events have both directions, because other
// services may publish them, too.
func (c *comparer) asyncapi(old, now node) {
	c.pairs("channel ", old.get("channels"), now.get("channels"), func(_ string, old, now node) {
		c.same(old.get("address"), now.get("address"), "the address")
		c.same(old.get("bindings"), now.get("bindings"), "the binding")
		c.pairs("message ", old.get("messages"), now.get("messages"), func(string, node, node) {})
	})
	c.pairs("operation ", old.get("operations"), now.get("operations"), func(_ string, old, now node) {
		c.same(old.get("action"), now.get("action"), "the action")
		c.same(old.get("channel"), now.get("channel"), "the channel")
		directions := []direction{out}
		if old.text("action") == "receive" {
			directions = []direction{in}
		}
		if channel, err := old.get("channel").resolve(); err == nil && channel.get("bindings").get("amqp").exists() {
			directions = []direction{in, out}
		}
		c.messages(directions, old.get("messages"), now.get("messages"))
		if old.get("reply").exists() {
			if !now.get("reply").exists() {
				c.reportf("the reply is removed")
			}
			c.messages([]direction{out}, old.get("reply").get("messages"), now.get("reply").get("messages"))
		}
	})
}

func (c *comparer) messages(directions []direction, old, now node) {
	for _, before := range old.items() {
		i := slices.IndexFunc(now.items(), func(n node) bool { return n.text("$ref") == before.text("$ref") })
		if i < 0 {
			c.reportf("%s is removed", before.text("$ref"))
			continue
		}
		before, after := c.both(before, now.items()[i])
		for _, d := range directions {
			c.schema(d, payload(before), payload(after))
			c.schema(d, before.get("headers"), after.get("headers"))
		}
		c.traits(directions, before.get("traits"), after.get("traits"))
	}
}

// traits compares the headers that messages share.
func (c *comparer) traits(directions []direction, old, now node) {
	if len(old.items()) != len(now.items()) {
		c.reportf("the traits are changed")
		return
	}
	for i, before := range old.items() {
		before, after := c.both(before, now.items()[i])
		for _, d := range directions {
			c.within("headers", func() { c.schema(d, before.get("headers"), after.get("headers")) })
		}
	}
}

// payload returns the schema of a message, without the name of its format.
func payload(message node) node {
	if p := message.get("payload"); !p.get("schemaFormat").exists() {
		return p
	}
	return message.get("payload").get("schema")
}
