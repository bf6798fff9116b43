package project

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/invopop/jsonschema"

	"github.com/twice-data/twice"
)

// setting is the value of an option: text, or a number or the like as it is written.
type setting string

func (s *setting) decode(d *decoder, n ast.Node, path string) {
	if text, ok := d.anyText(n, path); ok {
		*s = setting(text)
	}
}

// JSONSchema tells of all spellings.
func (setting) JSONSchema() *jsonschema.Schema { return scalar() }

func settings(options map[string]setting) map[string]string {
	if options == nil {
		return nil
	}
	texts := make(map[string]string, len(options))
	for name, value := range options {
		texts[name] = string(value)
	}
	return texts
}

// streaming says whether an input is a stream's.
func (b *builder) streaming() bool {
	for _, in := range b.h.Inputs {
		if in.Kafka != nil || in.Log != nil {
			return true
		}
	}
	return false
}

// stream checks that a pipeline with a Kafka input or a log is one whose table does not depend on where its batches are cut.
func (b *builder) stream() {
	in := b.p.Stream()
	if in == nil {
		return
	}
	at := "inputs." + in.Name
	if b.p.Write != twice.Merge && b.p.Write != "" && b.h.To == nil {
		b.errorf(at, "contradiction", "a stream cannot be written with write: %s: a batch holds what has come since the last one, "+
			"and would replace all that was there", b.p.Write).WithNext("write: merge, and unique_key: the columns that identify an event")
	}
	if b.p.Windowed() && b.grainKnown() && b.h.To == nil {
		b.errorf("window", "contradiction", "a stream's windows are offset ranges, not times").
			WithNext("delete window:; a pipeline that reads %s can have windows of time", b.p.Table)
	}
	if b.p.WhenMissing != "" && b.h.To == nil {
		b.errorf("when_missing", "contradiction", "a batch of a stream is not a full snapshot, so that nothing is missing in it").
			WithNext("delete it")
	}
	if len(b.p.Inputs) > 1 {
		b.errorf(at, "contradiction", "a stream reads its topic and nothing else: what it meets in another input would depend on "+
			"when a batch is cut").WithNext("join them in a pipeline that reads %s", b.p.Table)
	}
	b.streamFields(at, in.Kind(), in.Records())
}

func (b *builder) streamFields(at, kind string, k *twice.Records) {
	if k.Format == "" && !b.has(at+".format") {
		b.errorf(at, "missing-key", "the key \"format\" is missing").WithNext("add format: json, avro, protobuf, csv or raw")
	}
	if k.Format == "raw" && len(k.Columns) > 0 {
		b.errorf(at+".columns", "contradiction", "a raw value has no fields").WithNext("delete it, and read _value")
	}
	if k.Format == "csv" && len(k.Columns) == 0 {
		b.errorf(at, "missing-key", "a line of CSV has no names: the key \"columns\" is missing").
			WithNext("add columns: [{name: id, type: bigint}, …], in the order of the line")
	}
	for _, c := range k.Columns {
		if slices.Contains(twice.RecordColumns, strings.ToLower(c.Name)) {
			b.errorf(at+".columns", "bad-name", "%s is a column that every record has", c.Name).
				WithNext("give the field another name, with aliases: [%s]", c.Name)
		}
	}
	for _, key := range []string{"compression", "header", "skip", "encoding", "quote", "escape"} {
		if b.has(at + "." + key) {
			b.errorf(at+"."+key, "contradiction", "it means nothing for a %s input", kind).WithNext("delete it")
		}
	}
}
