package project

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lestrrat-go/strftime"

	"github.com/twice-data/twice"
)

func (b *builder) inputs() {
	for _, name := range slices.Sorted(maps.Keys(b.h.Inputs)) {
		at := "inputs." + name
		if !identifier.MatchString(name) {
			b.errorf(at, "bad-name", "the input's name is not letters, digits and _").
				WithNext("rename it, also in the SQL")
		}
		b.p.Inputs = append(b.p.Inputs, b.input(name, at, b.h.Inputs[name]))
	}
	for _, in := range b.p.Inputs {
		for _, other := range b.p.Inputs {
			if in.Line > other.Line && strings.EqualFold(in.Name, other.Name) {
				b.errorf("inputs."+in.Name, "duplicate-key",
					"there is another input %s, and case does not count in SQL", other.Name).
					WithNext("rename one of the two")
			}
		}
	}
}

func (b *builder) input(name, at string, h inputHeader) twice.Input {
	in := twice.Input{Name: name, Line: b.line(at)}
	reader := b.reader(at, h.readerHeader)
	if b.has(at+".files") && b.filled(at+".files", h.Files) {
		b.template(at+".files", h.Files, true)
		in.Files = &twice.FilesInput{Path: h.Files, Reader: reader}
	}
	if b.has(at+".table") && h.Table != "" {
		if !isTable(h.Table) {
			b.errorf(at+".table", "bad-name", "expected name or schema.name, found %q", h.Table).
				WithNext("write letters, digits and _, with at most one dot")
		}
		in.Table = h.Table
	}
	if q := h.Postgres; q != nil {
		in.Database = b.database(at+".postgres", "postgres", q)
	}
	if q := h.MySQL; q != nil {
		in.Database = b.database(at+".mysql", "mysql", q)
	}
	if c := h.Command; c != nil {
		in.Command = b.command(at, c, reader)
	}
	if w := h.HTTP; w != nil {
		in.HTTP = b.http(at+".http", w, reader)
	}
	if k := h.Kafka; k != nil {
		in.Kafka = b.kafka(at, h, reader)
	}
	if l := h.Log; l != nil {
		in.Log = b.log(at, h, reader)
	}
	if in.Records() == nil && b.has(at+".on_error") {
		b.errorf(at+".on_error", "contradiction", "it means nothing without kafka: or log:").WithNext("delete it")
	}
	b.readable(at, in.Kind(), h.readerHeader)
	return in
}

func (b *builder) filled(at, text string) bool {
	if b.has(at) && strings.TrimSpace(text) == "" && !b.failedAt(at) {
		b.errorf(at, "unknown-value", "it is empty").WithNext("write it, or delete the line")
	}
	return text != ""
}

// failedAt says whether a problem was already noted on the line of a path.
func (b *builder) failedAt(at string) bool {
	return slices.ContainsFunc(b.errs, func(e *twice.Error) bool { return e.Line == b.line(at) })
}

func (b *builder) database(at, engine string, q *queryHeader) *twice.DatabaseInput {
	b.filled(at+".url", q.URL)
	b.filled(at+".query", q.Query)
	for _, e := range b.parameters(q.Query) {
		b.errorf(at+".query", e.Code, "%s", e.Message).WithNext("%s", e.Next)
	}
	return &twice.DatabaseInput{Engine: engine, URL: q.URL, Query: strings.TrimSpace(q.Query)}
}

// command's output has no name to tell its format from, so that NDJSON is the default.
func (b *builder) command(at string, c *command, r twice.Reader) *twice.CommandInput {
	if c.Run != nil && (len(c.Run) == 0 || c.Run[0] == "") {
		b.errorf(at+".command", "unknown-value", "expected a program and its arguments, found none").
			WithNext("write [python3, fetch.py]")
	}
	if r.Format == "" {
		r.Format = "ndjson"
	}
	return &twice.CommandInput{Argv: c.Run, Timeout: time.Duration(c.Timeout), Reader: r}
}

func (b *builder) http(at string, h *httpHeader, r twice.Reader) *twice.HTTPInput {
	if b.filled(at+".url", h.URL) {
		b.template(at+".url", h.URL, false)
		if !strings.HasPrefix(h.URL, "http://") && !strings.HasPrefix(h.URL, "https://") {
			b.errorf(at+".url", "unknown-value", "expected an address that begins with https://").
				WithNext("write the full address")
		}
	}
	if h.Next != "" && h.Page != "" {
		b.errorf(at, "contradiction", "next and page are two ways to find the next page").WithNext("keep one of them")
	}
	return &twice.HTTPInput{
		URL: h.URL, Headers: h.Headers, Records: h.Records, Next: h.Next, Page: h.Page,
		Timeout: time.Duration(h.Timeout), Reader: r,
	}
}

func (b *builder) kafka(at string, h inputHeader, r twice.Reader) *twice.KafkaInput {
	b.filled(at+".kafka.topic", h.Kafka.Topic)
	if h.Kafka.Brokers != nil && (len(h.Kafka.Brokers) == 0 || slices.Contains(h.Kafka.Brokers, "")) {
		b.errorf(at+".kafka.brokers", "unknown-value", "expected host:port, found nothing").
			WithNext("write [localhost:9092]")
	}
	return &twice.KafkaInput{Brokers: h.Kafka.Brokers, Records: records(h.Kafka.Topic, h, h.Kafka.Options, r)}
}

func (b *builder) log(at string, h inputHeader, r twice.Reader) *twice.LogInput {
	b.filled(at+".log.path", h.Log.Path)
	name := path.Clean(h.Log.Path)
	return &twice.LogInput{Envelope: h.Log.Envelope, Records: records(name, h, h.Log.Options, r)}
}

func records(topic string, h inputHeader, options map[string]setting, r twice.Reader) twice.Records {
	onError := h.OnError
	if onError == "" {
		onError = "fail"
	}
	return twice.Records{Topic: topic, OnError: onError, Options: settings(options), Reader: r}
}

func (b *builder) reader(at string, h readerHeader) twice.Reader {
	r := twice.Reader{
		Format: h.Format, Compression: h.Compression, Delimiter: h.Delimiter, Quote: h.Quote, Escape: h.Escape,
		Header: h.Header, Skip: h.Skip, Encodings: h.Encoding, Nulls: h.Null,
	}
	b.character(at+".delimiter", h.Delimiter)
	b.character(at+".quote", h.Quote)
	b.character(at+".escape", h.Escape)
	seen := map[string]string{}
	for _, c := range h.Columns {
		r.Columns = append(r.Columns, twice.ReaderColumn{
			Name: c.Name, Type: c.Type, Aliases: c.Aliases, Optional: c.Optional,
		})
		for _, name := range append([]string{c.Name}, c.Aliases...) {
			key := strings.ToLower(name)
			if first, taken := seen[key]; taken && first != c.Name {
				b.errorf(at+".columns", "duplicate-column", "%s already names the column %s", name, first).
					WithNext("delete one of the two")
			}
			seen[key] = c.Name
		}
	}
	return r
}

func (b *builder) character(at, text string) {
	if utf8.RuneCountInString(text) > 1 {
		b.errorf(at, "unknown-value", "expected one character, found %q", text).
			WithNext("write one character; a tab is \"\\t\" in double quotes")
	}
}

// formats lists what can be read from each kind of input.
var formats = map[string][]string{
	"files":   {"csv", "parquet", "ndjson"},
	"command": {"csv", "parquet", "ndjson"},
	"http":    {"csv", "parquet", "ndjson", "json"},
	"kafka":   {"json", "avro", "protobuf", "csv", "raw"},
	"log":     {"json", "csv", "raw"},
}

// readable checks the reader's options against the kind of input and the format.
func (b *builder) readable(at, kind string, h readerHeader) {
	if kind == "" {
		return
	}
	known := formats[kind]
	for _, f := range fieldsOf(reflectOf(&h)) {
		if b.has(at+"."+f.name) && len(known) == 0 {
			b.errorf(at+"."+f.name, "contradiction", "it means nothing for a %s input", kind).
				WithNext("delete it")
		}
	}
	if h.Format == "" || len(known) == 0 {
		return
	}
	if !slices.Contains(known, h.Format) {
		b.errorf(at+".format", "contradiction", "a %s input cannot be %s; expected %s", kind, h.Format, listing(known)).
			WithNext("write %s", listing(known))
	}
	if h.Format == "csv" {
		return
	}
	for _, key := range []string{"delimiter", "quote", "escape", "header", "skip", "null"} {
		if b.has(at + "." + key) {
			b.errorf(at+"."+key, "contradiction", "it means nothing with format: %s, only with csv", h.Format).
				WithNext("delete it, or write format: csv")
		}
	}
}

// windowBounds are the names that a path template and SQL know.
var windowBounds = []string{"start", "end"}

var braces = regexp.MustCompile(`\{([^{}]*)\}?`)

// template checks the placeholders of a path or an address. With globs {a,b} is a choice.
func (b *builder) template(at, text string, globs bool) {
	for _, found := range braces.FindAllStringSubmatch(text, -1) {
		whole, inside := found[0], found[1]
		bound, format, formatted := strings.Cut(inside, ":")
		switch {
		case !strings.HasSuffix(whole, "}"):
			b.errorf(at, "bad-placeholder", "%q has no closing brace", whole).WithNext("write {start:%%Y-%%m-%%d}")
		case globs && !formatted && strings.Contains(inside, ","):
		case bound != "start" && bound != "end":
			b.errorf(at, "bad-placeholder", "unknown placeholder %s%s", whole, didYouMean(bound, windowBounds)).
				WithNext("write {start:%%Y-%%m-%%d} or {end:%%Y-%%m-%%d}")
		case format == "":
			b.errorf(at, "bad-placeholder", "the placeholder %s does not say how to write the time", whole).
				WithNext("write {%s:%%Y-%%m-%%d}", bound)
		case !b.p.Windowed():
			b.errorf(at, "no-window", "the placeholder %s needs a window, and the pipeline has none", whole).
				WithNext("add a line: window: day; or write the path without it")
		default:
			if _, err := strftime.New(format); err != nil {
				b.errorf(at, "bad-placeholder", "%q in %s is not a strftime format", format, whole).
					WithNext("use %%Y %%m %%d %%H %%M %%S, %%j (day of year), %%V (ISO week), %%b (month's name)")
			}
		}
	}
}
