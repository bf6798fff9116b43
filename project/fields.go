package project

import (
	"reflect"
	"strconv"
	"strings"
)

// field is a struct's field as its tags describe it.
type field struct {
	name     string
	value    reflect.Value
	required bool
	oneOf    bool
	enum     []string
	minimum  *int64
}

type fields []field

// fieldsOf lists the fields of a struct in order, those of embedded structs in their place.
func fieldsOf(v reflect.Value) fields {
	var fs fields
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		if sf.Anonymous {
			fs = append(fs, fieldsOf(v.Field(i))...)
			continue
		}
		name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
		f := field{name: name, value: v.Field(i)}
		for rule := range strings.SplitSeq(sf.Tag.Get("jsonschema"), ",") {
			key, value, _ := strings.Cut(rule, "=")
			switch key {
			case "required":
				f.required = true
			case "oneof_required":
				f.oneOf = true
			case "enum":
				f.enum = append(f.enum, value)
			case "minimum":
				if n, err := strconv.ParseInt(value, 10, 64); err == nil {
					f.minimum = &n
				}
			}
		}
		fs = append(fs, f)
	}
	return fs
}

func (fs fields) find(name string) (field, bool) {
	for _, f := range fs {
		if f.name == name {
			return f, true
		}
	}
	return field{}, false
}

func (fs fields) names() []string {
	names := make([]string, len(fs))
	for i, f := range fs {
		names[i] = f.name
	}
	return names
}
