package document

import (
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// target matches the target of an inline link or image, of a reference, and of
// an HTML link or image.
var target = regexp.MustCompile(`\]\(<?([^)\s>]+)[^)]*\)|(?m:^\[[^\]]+\]:\s*<?([^\s>]+))|(?:href|src)="([^"]+)"`)

var (
	fenced = regexp.MustCompile("(?ms)^```.*?^```")
	inline = regexp.MustCompile("`[^`\n]*`")
)

// BrokenLinks lists the links of the pages that lead to no file or no heading
// of the repository. Links to other sites are not followed.
func BrokenLinks(root string, pages []string) (broken []string, err error) {
	for _, page := range pages {
		content, err := os.ReadFile(filepath.Join(root, page))
		if err != nil {
			return nil, err
		}
		text := inline.ReplaceAllString(fenced.ReplaceAllString(string(content), ""), "`code`")
		for _, m := range target.FindAllStringSubmatch(text, -1) {
			link := m[1] + m[2] + m[3]
			if err := follow(root, page, link); err != nil {
				broken = append(broken, fmt.Sprintf("%s: link %s: %v", page, link, err))
			}
		}
	}
	return broken, nil
}

// follow opens the target of a link.
func follow(root, page, link string) error {
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "" || u.Host != "" {
		return err
	}
	file := page
	if u.Path != "" {
		file = path.Join(path.Dir(page), u.Path)
	}
	if path.IsAbs(u.Path) || strings.HasPrefix(file, "..") {
		return fmt.Errorf("it leads out of the repository")
	}
	if _, err := os.Stat(filepath.Join(root, file)); err != nil || u.Fragment == "" {
		return err
	}
	content, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		return err
	}
	if !anchors(string(content))[u.Fragment] {
		return fmt.Errorf("%s has no heading #%s", file, u.Fragment)
	}
	return nil
}

var (
	heading     = regexp.MustCompile(`(?m)^#{1,6}\s+(.*?)\s*#*$`)
	linkText    = regexp.MustCompile(`!?\[([^\]]*)\]\([^)]*\)`)
	notInAnchor = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
	named       = regexp.MustCompile(`<a (?:id|name)="([^"]+)"`)
)

// anchors returns the anchors of a page's headings by GitHub's rule: lower case,
// without punctuation, hyphens for spaces, and a number for a repeated heading.
func anchors(page string) map[string]bool {
	all := map[string]bool{}
	page = fenced.ReplaceAllString(page, "")
	for _, m := range heading.FindAllStringSubmatch(page, -1) {
		title := strings.ToLower(linkText.ReplaceAllString(m[1], "$1"))
		anchor := strings.ReplaceAll(notInAnchor.ReplaceAllString(title, ""), " ", "-")
		unique := anchor
		for n := 1; all[unique]; n++ {
			unique = fmt.Sprintf("%s-%d", anchor, n)
		}
		all[unique] = true
	}
	for _, m := range named.FindAllStringSubmatch(page, -1) {
		all[m[1]] = true
	}
	return all
}
