package docs

import "strings"

// paragraph is a text, part of it code: what stands between backticks.
type paragraph []struct {
	Text string
	Code bool
}

// prose is a description as the contracts write it: paragraphs, with code in
// backticks.
func prose(text string) (all []paragraph) {
	for block := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		var p paragraph
		for i, part := range strings.Split(block, "`") {
			p = append(p, struct {
				Text string
				Code bool
			}{part, i%2 == 1})
		}
		all = append(all, p)
	}
	return all
}
