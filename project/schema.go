package project

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"

	"github.com/invopop/jsonschema"
)

// Schemas gives the JSON Schemas of twice.yml and of the header, made from the structs that decode them.
func Schemas() (projectSchema, headerSchema []byte) {
	return schemaOf(&projectFile{}, "twice.yml, a project of twice"),
		schemaOf(&header{}, "The @twice header of a pipeline")
}

func schemaOf(v any, title string) []byte {
	s := reflector().Reflect(v)
	s.Title = title
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic(err) // a schema of plain values always marshals
	}
	return append(b, '\n')
}

func reflector() *jsonschema.Reflector {
	return &jsonschema.Reflector{
		ExpandedStruct: true, RequiredFromJSONSchemaTags: true, Anonymous: true,
		LookupComment: func(t reflect.Type, field string) string { return descriptions[t.Name()+"."+field] },
	}
}

func scalar() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "", AnyOf: []*jsonschema.Schema{
		{Type: "string"}, {Type: "number"}, {Type: "boolean"}, {Type: "null"},
	}}
}

// JSONSchemaExtend lists the formats of all kinds of input; which of them one kind can have is the decoder's to judge.
func (inputHeader) JSONSchemaExtend(s *jsonschema.Schema) {
	all := map[string]bool{}
	for _, some := range formats {
		for _, format := range some {
			all[format] = true
		}
	}
	if format, ok := s.Properties.Get("format"); ok {
		for _, name := range slices.Sorted(maps.Keys(all)) {
			format.Enum = append(format.Enum, name)
		}
	}
}

// JSONSchema tells of both spellings.
func (texts) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{AnyOf: append(scalar().AnyOf, &jsonschema.Schema{Type: "array", Items: scalar()})}
}

// JSONSchema tells of both spellings.
func (command) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
		{Type: "array", Items: &jsonschema.Schema{Type: "string"}, MinItems: ptr(uint64(1))},
		inline(&commandHeader{}),
	}}
}

// JSONSchema tells of both spellings.
func (readerColumns) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
		{Type: "object", AdditionalProperties: &jsonschema.Schema{Type: "string"}},
		{Type: "array", Items: inline(&readerColumn{})},
	}}
}

// JSONSchema says that a length of time is text.
func (duration) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Examples: []any{"30s", "10m", "1h30m"}}
}

func inline(v any) *jsonschema.Schema {
	r := reflector()
	r.DoNotReference = true
	s := r.Reflect(v)
	s.Version = ""
	return s
}

func ptr[T any](v T) *T { return &v }
