// Package scaffold creates projects: the files of a template, and the feeds that some of them read.
package scaffold

import (
	"embed"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/twice-data/twice"
)

//go:embed all:templates
var templates embed.FS

// Templates lists the names that Write knows, the usual one first.
var Templates = []string{"demo", "stream", "empty"}

// Write creates a project in dir, which is made if need be, and returns the paths of its files, relative to dir and
// sorted. The same template gives the same bytes everywhere and always. It never overwrites: if any of the files is
// there already, it writes none and lists those that are.
func Write(dir, template string) ([]string, error) {
	files, err := render(template)
	if err != nil {
		return nil, err
	}
	paths := make([]string, 0, len(files))
	for path := range files {
		paths = append(paths, path)
	}
	slices.Sort(paths)

	if there := existing(dir, paths); len(there) > 0 {
		return nil, twice.Errorf("file-exists", "%s already holds %s; nothing was written", dir, shorten(there)).
			WithNext("choose another folder, or move these files away").WithExit(twice.ExitProject)
	}
	for _, path := range paths {
		if err := create(filepath.Join(dir, filepath.FromSlash(path)), files[path]); err != nil {
			return nil, twice.Errorf("init-failed", "the project could not be created: %w", err).
				WithNext("check that %s is a folder that you may write to", dir).WithExit(twice.ExitProject)
		}
	}
	return paths, nil
}

// render gives a template's files by their path.
func render(template string) (map[string][]byte, error) {
	if !slices.Contains(Templates, template) {
		return nil, twice.Errorf("unknown-template", "there is no template %q", template).
			WithNext("use --template %s", listing(Templates)).WithExit(twice.ExitProject)
	}
	root, err := fs.Sub(templates, "templates/"+template)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	err = fs.WalkDir(root, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files[path], err = fs.ReadFile(root, path)
		return err
	})
	if err != nil {
		return nil, err
	}
	folder, feed := "landing/", map[string][]byte{}
	switch template {
	case "demo":
		feed = ordersFeed()
	case "stream":
		folder, feed = "events/", eventLog()
	}
	for name, content := range feed {
		files[folder+name] = content
	}
	return files, nil
}

// listing is "a, b or c".
func listing(names []string) string {
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// existing lists the paths under dir at which there is anything, dangling links included.
func existing(dir string, paths []string) []string {
	var there []string
	for _, path := range paths {
		if _, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(path))); err == nil {
			there = append(there, path)
		}
	}
	return there
}

// create writes a new file; one that appeared in the meantime is an error.
func create(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

// shorten lists a few paths and counts the others.
func shorten(paths []string) string {
	const most = 5
	if len(paths) <= most {
		return strings.Join(paths, ", ")
	}
	return strings.Join(paths[:most], ", ") + ", …"
}
