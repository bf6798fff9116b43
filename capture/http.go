package capture

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/twice-data/twice"
)

// The bounds of an answer: more is taken for a mistake of the server, or of the header.
const (
	mostPages = 10_000
	mostBytes = 512 << 20 // of one page of JSON
)

// pages is an answer of a server under way.
type pages struct {
	*answer
	client *client
	spec   *twice.HTTPInput
	seen   map[string]bool // addresses
	lines  *os.File        // records of JSON pages
	n      int
}

// http captures what a server answers, page after page.
func (r *reading) http(ctx context.Context, in *twice.Input, w twice.Window, file string) error {
	address, err := expand(in.HTTP.URL, w, r.pipeline.Calendar.Zone)
	if err != nil {
		return err
	}
	first, err := url.Parse(address)
	if err != nil || first.Host == "" {
		return twice.Errorf("bad-url", "the url of the http input does not parse").WithNext("write https://host/path")
	}
	reader := in.HTTP.Reader
	if reader.Format == "" {
		reader.Format = formatOf(first.Path)
	}
	json := reader.Format == "json"
	if json {
		reader.Format = "ndjson"
	}
	if reader.Compression == "" {
		reader.Compression = "none"
	}
	p := &pages{
		answer: &answer{in: in, from: "the answer of " + shown(first), dir: filepath.Dir(file), reader: reader},
		client: newClient(in.HTTP, first, r.Pause), spec: in.HTTP, seen: map[string]bool{},
	}
	if json {
		if p.lines, err = p.create(0); err != nil {
			return err
		}
		defer p.lines.Close()
	}
	for at := first; at != nil; {
		if at, err = p.page(ctx, at); err != nil {
			return err
		}
	}
	return p.toParquet(ctx, file)
}

func formatOf(p string) string {
	switch path.Ext(p) {
	case ".csv":
		return "csv"
	case ".ndjson", ".jsonl":
		return "ndjson"
	case ".parquet":
		return "parquet"
	default:
		return "json"
	}
}

// page takes one page in and gives the address of the next; nil: it was the last.
func (p *pages) page(ctx context.Context, at *url.URL) (*url.URL, error) {
	p.n++
	if p.spec.Page != "" {
		q := at.Query()
		q.Set(p.spec.Page, strconv.Itoa(p.n))
		next := *at
		next.RawQuery = q.Encode()
		at = &next
	}
	if p.n > mostPages || p.seen[at.String()] {
		return nil, twice.Errorf("endless-pages", "%s: page %d leads back to one that was read, or on without an end", p.from, p.n).
			WithNext("look at what the server gives as the next page; next: or page: may name the wrong thing")
	}
	p.seen[at.String()] = true
	out, err := p.create(p.n)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	header, err := p.client.get(ctx, at, out)
	if err != nil {
		return nil, err
	}
	var body []byte
	records := 1
	if p.lines != nil {
		if body, err = take(out); err != nil {
			return nil, p.blame(err)
		}
		if records, err = p.records(body); err != nil {
			return nil, p.blame(err)
		}
	} else if info, err := out.Stat(); err == nil && info.Size() == 0 {
		records = 0
	}
	switch {
	case p.spec.Page != "" && records > 0:
		return at, nil
	case p.spec.Next == "link":
		return link(at, header)
	case p.spec.Next != "":
		return follow(at, body, p.spec.Next)
	default:
		return nil, nil
	}
}

// take reads a page of JSON back and removes its file: its records go to another.
func take(f *os.File) ([]byte, error) {
	defer os.Remove(f.Name())
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(f, mostBytes+1))
	if err == nil && len(body) > mostBytes {
		err = twice.Errorf("page-too-large", "a page of JSON has more than %d MB", mostBytes>>20).
			WithNext("ask for smaller pages, or for format: ndjson")
	}
	return body, err
}

// records writes a page's records, one a line.
func (p *pages) records(body []byte) (int, error) {
	body = bytes.TrimSpace(body)
	if len(body) == 0 || !json.Valid(body) {
		return 0, twice.Errorf("bad-answer", "page %d is not JSON: %.60q", p.n, body).
			WithNext("set format: to what it is, or look at what the server answers")
	}
	found, ok := dig(body, p.spec.Records)
	if !ok {
		return 0, twice.Errorf("bad-answer", "page %d has no %s", p.n, p.spec.Records).
			WithNext("write under records: the dotted path of the array of records")
	}
	list := []json.RawMessage{found}
	if found[0] == '[' {
		if err := json.Unmarshal(found, &list); err != nil {
			return 0, err
		}
	} else if found[0] != '{' {
		list = nil // null: no records
		if string(found) != "null" {
			return 0, notRecords(found)
		}
	}
	var line bytes.Buffer
	for _, record := range list {
		if record[0] != '{' {
			return 0, notRecords(record)
		}
		if err := json.Compact(&line, record); err != nil {
			return 0, err
		}
		line.WriteByte('\n')
	}
	_, err := p.lines.Write(line.Bytes())
	return len(list), noRoom(err)
}

func notRecords(found []byte) *twice.Error {
	return twice.Errorf("bad-answer", "expected an array of objects, found %.60s", found).
		WithNext("write under records: the dotted path of the array of records")
}

// dig follows a dotted path into a JSON value.
func dig(value json.RawMessage, path string) (json.RawMessage, bool) {
	for name := range strings.SplitSeq(path, ".") {
		if name == "" {
			continue
		}
		var fields map[string]json.RawMessage
		if json.Unmarshal(value, &fields) != nil || fields[name] == nil {
			return nil, false
		}
		value = fields[name]
	}
	return value, true
}

// follow finds the next page's address in a page. None, null and an empty text say that there is none.
func follow(at *url.URL, body []byte, path string) (*url.URL, error) {
	found, ok := dig(body, path)
	var next string
	if !ok || string(found) == "null" {
		return nil, nil
	}
	if err := json.Unmarshal(found, &next); err != nil {
		return nil, twice.Errorf("bad-answer", "%s is not an address: %.60s", path, found)
	}
	return resolve(at, next)
}

// A link is an address in angle brackets, which may hold commas, and what is said of it up to the next one.
var (
	links = regexp.MustCompile(`<([^>]*)>([^<]*)`)
	next  = regexp.MustCompile(`(?i);\s*rel\s*=\s*("([^"]*\s)?next(\s[^"]*)?"|next\s*([;,]|$))`)
)

// link finds rel="next" in the Link header (RFC 8288).
func link(at *url.URL, header http.Header) (*url.URL, error) {
	for _, value := range header.Values("Link") {
		for _, l := range links.FindAllStringSubmatch(value, -1) {
			if next.MatchString(l[2]) {
				return resolve(at, l[1])
			}
		}
	}
	return nil, nil
}

func resolve(at *url.URL, next string) (*url.URL, error) {
	if next == "" {
		return nil, nil
	}
	u, err := at.Parse(next)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, twice.Errorf("bad-answer", "the address of the next page does not parse")
	}
	return u, nil
}
