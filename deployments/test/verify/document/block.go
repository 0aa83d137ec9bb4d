package document

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Block is code that a page tells its reader to add.
type Block struct {
	File     string
	Code     []string
	place    string // "a new file", "at the end", "before", "after"
	function string // that holds the line; "" for the whole file
	line     string // before or after which the code goes
}

var placement = regexp.MustCompile("^`([^`]+)`, (?:(a new file|at the end)|(?:in the function `([^`]+)`, )?(before|after) the line `([^`]+)`):$")

// Block returns the block of a fence, if the line before it names a place.
func (f Fence) Block() (b Block, ok bool) {
	m := placement.FindStringSubmatch(f.Intro)
	if m == nil {
		return Block{}, false
	}
	return Block{File: m[1], Code: f.Code, place: m[2] + m[4], function: m[3], line: m[5]}, true
}

// Blocks returns the blocks of a section. Every fence but commands (sh) must say
// where its code goes.
func Blocks(page, section string) (blocks []Block, err error) {
	text, found := Sections(page)[section]
	if !found {
		return nil, fmt.Errorf("the page has no section %q", section)
	}
	fences, err := Fences(text)
	if err != nil {
		return nil, err
	}
	for _, f := range fences {
		if b, ok := f.Block(); ok {
			blocks = append(blocks, b)
		} else if !strings.HasPrefix(f.Info, "sh") {
			return nil, fmt.Errorf("no place is named for the block after %q", f.Intro)
		}
	}
	return blocks, nil
}

// Follow adds the blocks to the repository in a folder, unless all of them were
// added before.
func Follow(folder string, blocks []Block) error {
	var missing []string
	for _, b := range blocks {
		present, err := b.isIn(folder)
		if err != nil {
			return err
		}
		if !present {
			missing = append(missing, b.File)
		}
	}
	switch len(missing) {
	case 0:
		return nil
	case len(blocks):
	default:
		return fmt.Errorf("the page is followed in part: its block is missing in %s", strings.Join(missing, ", "))
	}
	for _, b := range blocks {
		if err := b.Add(folder); err != nil {
			return err
		}
	}
	return nil
}

// isIn reports whether the code is in the file, within the block's function. The
// lines around the code may differ from the page's.
func (b Block) isIn(folder string) (bool, error) {
	content, err := os.ReadFile(filepath.Join(folder, b.File))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	lines := strings.Split(string(content), "\n")
	from, to, errPlace := b.bounds(lines)
	if err := errors.Join(err, errPlace); err != nil {
		return false, fmt.Errorf("%s: %w", b.File, err)
	}
	for at := from; at+len(b.Code) <= to; at++ {
		if slices.Equal(lines[at:at+len(b.Code)], b.Code) {
			return true, nil
		}
	}
	return false, nil
}

// Add adds the code to the repository in a folder.
func (b Block) Add(folder string) error {
	file := filepath.Join(folder, b.File)
	content, err := os.ReadFile(file)
	if b.place == "a new file" {
		if err == nil {
			return fmt.Errorf("%s exists already", b.File)
		}
		return os.WriteFile(file, []byte(strings.Join(b.Code, "\n")+"\n"), 0o600)
	}
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
	at, err := b.find(lines)
	if err != nil {
		return fmt.Errorf("%s: %w", b.File, err)
	}
	return os.WriteFile(file, []byte(strings.Join(slices.Insert(lines, at, b.Code...), "\n")+"\n"), 0o600)
}

// find returns the index of the line before which the code goes.
func (b Block) find(lines []string) (int, error) {
	if b.place == "at the end" {
		return len(lines), nil
	}
	from, to, err := b.bounds(lines)
	if err != nil {
		return 0, err
	}
	var found []int
	for i := from; i < to; i++ {
		if strings.TrimSpace(lines[i]) == b.line {
			found = append(found, i)
		}
	}
	switch {
	case len(found) == 0:
		return 0, errors.New("there is no line " + b.line)
	case len(found) > 1:
		return 0, errors.New("there is more than one line " + b.line)
	case b.place == "after":
		return found[0] + 1, nil
	default:
		return found[0], nil
	}
}

// bounds returns the lines of the block's function, or all.
func (b Block) bounds(lines []string) (from, to int, err error) {
	if b.function == "" {
		return 0, len(lines), nil
	}
	head := regexp.MustCompile(`^func (\([^)]*\) )?` + regexp.QuoteMeta(b.function) + `[\[(]`)
	if from = slices.IndexFunc(lines, head.MatchString); from < 0 {
		return 0, 0, fmt.Errorf("there is no function %s", b.function)
	}
	return from, from + slices.Index(lines[from:], "}"), nil
}
