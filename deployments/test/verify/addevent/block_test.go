package addevent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// follow applies the blocks, unless somebody followed the page already: then all
// of them are there.
func follow(folder string, blocks []block) error {
	var missing []string
	for _, b := range blocks {
		there, err := b.isIn(folder)
		if err != nil {
			return err
		}
		if !there {
			missing = append(missing, b.file)
		}
	}
	switch len(missing) {
	case 0:
		return nil
	case len(blocks):
	default:
		return fmt.Errorf("the page is followed in part: there is no block of it in %s", strings.Join(missing, ", "))
	}
	for _, b := range blocks {
		if err := b.apply(folder); err != nil {
			return err
		}
	}
	return nil
}

// isIn reports whether the block is in its file, in its function. What it is next
// to may have changed since.
func (b block) isIn(folder string) (bool, error) {
	content, err := os.ReadFile(filepath.Join(folder, b.file))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	lines := strings.Split(string(content), "\n")
	from, to, errPlace := b.bounds(lines)
	if err := errors.Join(err, errPlace); err != nil {
		return false, fmt.Errorf("%s: %w", b.file, err)
	}
	for at := from; at+len(b.code) <= to; at++ {
		if slices.Equal(lines[at:at+len(b.code)], b.code) {
			return true, nil
		}
	}
	return false, nil
}

// apply adds the block to the repository in a folder.
func (b block) apply(folder string) error {
	file := filepath.Join(folder, b.file)
	content, err := os.ReadFile(file)
	if b.place == "a new file" {
		if err == nil {
			return fmt.Errorf("%s is there already", b.file)
		}
		return os.WriteFile(file, []byte(strings.Join(b.code, "\n")+"\n"), 0o600)
	}
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
	at, err := b.find(lines)
	if err != nil {
		return fmt.Errorf("%s: %w", b.file, err)
	}
	return os.WriteFile(file, []byte(strings.Join(slices.Insert(lines, at, b.code...), "\n")+"\n"), 0o600)
}

// find is the number of the line before which the block goes.
func (b block) find(lines []string) (int, error) {
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

// bounds are the lines of the block's function, or all.
func (b block) bounds(lines []string) (from, to int, err error) {
	if b.function == "" {
		return 0, len(lines), nil
	}
	head := regexp.MustCompile(`^func (\([^)]*\) )?` + regexp.QuoteMeta(b.function) + `[\[(]`)
	if from = slices.IndexFunc(lines, head.MatchString); from < 0 {
		return 0, 0, fmt.Errorf("there is no function %s", b.function)
	}
	return from, from + slices.Index(lines[from:], "}"), nil
}
