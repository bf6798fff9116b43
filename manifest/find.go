package manifest

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/twice-data/twice"
)

const waitingCode = "input-waiting"

// IsWaiting says whether err means that a window's input is not there yet.
func IsWaiting(err error) bool {
	var e *twice.Error
	return errors.As(err, &e) && e.Code == waitingCode
}

// match lists the files that a pattern means. As in a shell a name that starts with a dot is matched only by a pattern
// that starts with one, so that files that are being copied under such a name are left alone. ** goes through folders,
// but not through links to folders, which may lead in circles.
func (f *Files) match(pattern string) ([]string, error) {
	pattern = path.Clean(pattern)
	dir := ""
	if strings.HasPrefix(pattern, "/") {
		dir, pattern = "/", pattern[1:]
	}
	segments := strings.Split(pattern, "/")
	if segments[len(segments)-1] == "**" {
		segments = append(segments, "*")
	}
	found, err := f.walk(dir, segments, nil)
	for i := range found {
		found[i] = f.relative(found[i])
	}
	return found, err
}

// walk appends to found the files below dir that the segments of a pattern mean.
func (f *Files) walk(dir string, segments []string, found []string) ([]string, error) {
	segment, rest := segments[0], segments[1:]
	if segment != "**" && !hasGlob(segment) {
		name := join(dir, unescape(segment))
		if len(rest) > 0 {
			return f.walk(name, rest, found)
		}
		info, err := os.Stat(f.absolute(name))
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() {
			return found, nil
		}
		return append(found, name), nil
	}
	entries, err := f.list(dir)
	if err != nil {
		return nil, err
	}
	if segment == "**" {
		if found, err = f.walk(dir, rest, found); err != nil {
			return nil, err
		}
		for _, e := range entries {
			if !e.IsDir() || strings.HasPrefix(e.Name(), ".") {
				continue
			}
			if found, err = f.walk(join(dir, e.Name()), segments, found); err != nil {
				return nil, err
			}
		}
		return found, nil
	}
	for _, e := range narrow(entries, segment) {
		if strings.HasPrefix(e.Name(), ".") && segment[0] != '.' || !doublestar.MatchUnvalidated(segment, e.Name()) {
			continue
		}
		name := join(dir, e.Name())
		folder := e.IsDir()
		if e.Type()&fs.ModeSymlink != 0 {
			info, err := os.Stat(f.absolute(name))
			folder = err == nil && info.IsDir()
		}
		switch {
		case folder && len(rest) > 0:
			if found, err = f.walk(name, rest, found); err != nil {
				return nil, err
			}
		case !folder && len(rest) == 0:
			found = append(found, name)
		}
	}
	return found, nil
}

// narrow is the part of a sorted listing that starts with the segment's text before its first glob. With it a hundred
// thousand windows over a folder of as many files take a search each and not a pass each.
func narrow(entries []fs.DirEntry, segment string) []fs.DirEntry {
	prefix := segment[:strings.IndexAny(segment, globBytes+`\`)]
	from := sort.Search(len(entries), func(i int) bool { return entries[i].Name() >= prefix })
	entries = entries[from:]
	n := sort.Search(len(entries), func(i int) bool { return !strings.HasPrefix(entries[i].Name(), prefix) })
	return entries[:n]
}

// list reads a folder once. A folder that is not there is empty.
func (f *Files) list(dir string) ([]fs.DirEntry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if entries, ok := f.folders[dir]; ok {
		return entries, nil
	}
	entries, err := os.ReadDir(f.absolute(dir)) // sorted by name
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, unreadable(dir, err)
	}
	f.folders[dir] = entries
	return entries, nil
}

func join(dir, name string) string {
	switch dir {
	case "":
		return name
	case "/":
		return "/" + name
	default:
		return dir + "/" + name
	}
}

// waiting says which files are not there yet, and what is there in their place.
func (f *Files) waiting(absent []string) *twice.Error {
	message := absent[0] + " is not there yet"
	if n := len(absent) - 1; n > 0 {
		message = strings.Join(absent[:min(len(absent), 3)], ", ")
		if n > 2 {
			message += ", …"
		}
		message += " are not there yet"
	}
	if near := f.near(absent[0]); near != "" {
		message += " (" + near + ")"
	}
	return twice.Errorf(waitingCode, "%s", message).WithNext("run again once it has been published")
}

// near names the files that sort next to an absent one, or the first folder on its path that is missing.
func (f *Files) near(absent string) string {
	dir, name := path.Split(absent)
	dir = strings.TrimSuffix(dir, "/")
	if hasGlob(dir) {
		return ""
	}
	if dir == "" && strings.HasPrefix(absent, "/") {
		dir = "/"
	}
	entries, err := f.list(dir)
	switch {
	case err != nil:
		return ""
	case len(entries) == 0 && dir != "":
		if _, err := os.Stat(f.absolute(dir)); err != nil {
			return "there is no folder " + dir
		}
		return "the folder " + dir + " is empty"
	}
	at, _ := slices.BinarySearchFunc(entries, name, func(e fs.DirEntry, name string) int {
		return strings.Compare(e.Name(), name)
	})
	if len(entries) == 0 {
		return ""
	}
	var names []string
	for _, e := range entries[max(at-1, 0):min(at+1, len(entries))] {
		names = append(names, e.Name())
	}
	return "nearest: " + strings.Join(names, ", ")
}
