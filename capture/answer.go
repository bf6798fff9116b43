package capture

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lestrrat-go/strftime"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/manifest"
)

// answer is what a command or a server said: the files of a folder whose names begin with "answer", in their order.
type answer struct {
	in     *twice.Input
	from   string // who said it, for errors
	dir    string
	reader twice.Reader // with its format
}

// create makes the n-th file.
func (a *answer) create(n int) (*os.File, error) {
	name := fmt.Sprintf("answer-%06d.%s", n, a.reader.Format)
	if a.reader.Compression == "gzip" {
		name += ".gz"
	}
	f, err := os.Create(filepath.Join(a.dir, name))
	if err != nil {
		return nil, noRoom(err)
	}
	return f, nil
}

// toParquet reads the answer as the input says and writes it to path.
func (a *answer) toParquet(ctx context.Context, path string) error {
	rel, err := a.relation(ctx)
	if err != nil {
		return a.blame(err)
	}
	p, err := newParquet(ctx)
	if err != nil {
		return err
	}
	defer p.close()
	if err := p.driver.Attach(ctx, p.session, rel); err != nil {
		return a.blame(err)
	}
	from := "SELECT * FROM " + engine.Ident(rel.Name)
	before, err := p.driver.Describe(ctx, p.session, from)
	if err != nil {
		return a.blame(err)
	}
	if err := a.travels(before); err != nil {
		return err
	}
	if _, err := p.write(ctx, from, path); err != nil {
		return a.blame(err)
	}
	return nil
}

// relation holds the answer's files against what is known of whole files, and makes them text in UTF-8.
func (a *answer) relation(ctx context.Context) (engine.Relation, error) {
	whole, err := a.complete()
	if err != nil || !whole {
		return engine.Relation{Name: a.in.Name, Reader: a.reader}, err
	}
	files := &manifest.Files{Dir: a.dir}
	in := &twice.Input{Name: a.in.Name, Files: &twice.FilesInput{Path: "answer-*", Reader: a.reader}}
	pin, err := files.Resolve(ctx, in, []twice.Window{{}})
	if err != nil {
		return engine.Relation{}, err
	}
	return files.Relation(ctx, in, pin, filepath.Join(a.dir, "text"))
}

// complete removes files without a byte, says whether others are left, and refuses CSV that ends within a line.
func (a *answer) complete() (bool, error) {
	found, err := filepath.Glob(filepath.Join(a.dir, "answer-*"))
	if err != nil {
		return false, err
	}
	left := 0
	for _, name := range found {
		info, err := os.Stat(name)
		if err != nil {
			return false, err
		}
		if info.Size() == 0 {
			if err := os.Remove(name); err != nil {
				return false, err
			}
			continue
		}
		left++
		if a.reader.Format != "csv" || a.reader.Compression == "gzip" {
			continue
		}
		if last, err := lastByte(name, info.Size()); err != nil || last != '\n' {
			return false, errorsOr(err, twice.Errorf("truncated-input", "its last line has no end, so that it may be half a line").
				WithNext("see that it ends every line, the last one too; nothing was written"))
		}
	}
	return left > 0, nil
}

func errorsOr(err error, otherwise *twice.Error) error {
	if err != nil {
		return err
	}
	return otherwise
}

func lastByte(name string, size int64) (byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var last [1]byte
	_, err = f.ReadAt(last[:], size-1)
	return last[0], err
}

// lossy are types of which Parquet keeps less than DuckDB has.
var lossy = regexp.MustCompile(`HUGEINT|INTERVAL|BIT\b|TIME WITH TIME ZONE|BIGNUM|UNION|"NULL"`)

func (a *answer) travels(columns []twice.Column) error {
	for _, c := range columns {
		if lossy.MatchString(strings.ReplaceAll(c.Type, "TIMESTAMP WITH", "")) {
			return twice.Errorf("type-cannot-travel", "input %s: column %s is %s, which a capture cannot keep exactly",
				a.in.Name, c.Name, c.Type).WithNext("declare it under columns: of the input, as varchar for example")
		}
	}
	return nil
}

// blame says who gave the answer that an error is about, in place of the file that holds it.
func (a *answer) blame(err error) error {
	e := *twice.AsError(err)
	e.File, e.Line = "", 0
	for _, name := range []string{a.dir + "/text/", a.dir + "/"} {
		e.Message = strings.ReplaceAll(e.Message, name, "")
	}
	e.Message = a.from + ": " + e.Message
	if e.Code == "bad-input" || e.Code == "truncated-input" || e.Code == "damaged-input" {
		e.Next = "look at what it gives, and at format: of the input; nothing was written"
	}
	return &e
}

var placeholder = regexp.MustCompile(`\{(start|end):([^{}]+)\}`)

// expand writes the window's bounds where text says {start:FORMAT} and {end:FORMAT}, in the zone of the calendar.
func expand(text string, w twice.Window, zone *time.Location) (string, error) {
	if zone == nil {
		zone = time.UTC
	}
	var failed error
	expanded := placeholder.ReplaceAllStringFunc(text, func(found string) string {
		m := placeholder.FindStringSubmatch(found)
		at := w.Start
		if m[1] == "end" {
			at = w.End
		}
		if w.IsWhole() {
			failed = twice.Errorf("no-window", "the placeholder %s needs a window, and the pipeline has none", found).
				WithNext("add a line: window: day; or write it without the placeholder")
			return found
		}
		text, err := strftime.Format(m[2], at.In(zone))
		if err != nil {
			failed = twice.Errorf("bad-placeholder", "%q in %s is not a strftime format", m[2], found)
		}
		return text
	})
	return expanded, failed
}

// tail keeps the end of what is written to it.
type tail struct{ text []byte }

func (t *tail) Write(b []byte) (int, error) {
	const most = 2000
	t.text = append(t.text, b...)
	if n := len(t.text) - most; n > 0 {
		t.text = slices.Delete(t.text, 0, n)
	}
	return len(b), nil
}

var _ io.Writer = (*tail)(nil)
