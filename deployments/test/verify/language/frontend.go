package language

import (
	"path"
	"regexp"
	"strings"
)

// prose is everything in a front-end file but identifiers: comments and texts. A
// binding of a Vue template stands in double quotes, so that these are code.
var prose = regexp.MustCompile("(?s)<!--.*?-->|/\\*.*?\\*/|(^|[^:])//[^\n]*|'(\\\\.|[^'\\\\\n])*'|`(\\\\.|[^`\\\\])*`|>[^<>{}]*<")

var identifier = regexp.MustCompile(`[A-Za-z_$][A-Za-z0-9_$]*`)

// Frontend finds retired words in the identifiers and the file names below a
// folder of TypeScript and Vue files.
func (l *List) Frontend(root, folder string) (found []Finding, err error) {
	err = walk(root, []string{folder}, func(name, text string) error {
		if extension := path.Ext(name); extension != ".ts" && extension != ".vue" || strings.HasSuffix(name, ".gen.ts") {
			return nil
		}
		l.checkFile(&found, name)
		code := prose.ReplaceAllStringFunc(text, func(s string) string { return strings.Repeat("\n", strings.Count(s, "\n")) })
		n := 0
		for line := range strings.Lines(code) {
			n++
			for _, used := range identifier.FindAllString(line, -1) {
				l.check(&found, Finding{Path: name, Line: n, Scope: "name", Used: used})
			}
		}
		return nil
	})
	return sorted(found), err
}
