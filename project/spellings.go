package project

import (
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// texts is one text or a list of them. Numbers and the like count as they are written.
type texts []string

func (t *texts) decode(d *decoder, n ast.Node, path string) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		if _, isMap := n.(ast.MapNode); isMap {
			d.mismatch(n, path, "text or a list of texts")
		} else if text, ok := d.anyText(n, path); ok {
			*t = texts{text}
		}
		return
	}
	*t = make(texts, 0, len(seq.Values))
	for i, item := range seq.Values {
		if text, ok := d.anyText(item, d.item(path, i, item)); ok {
			*t = append(*t, text)
		}
	}
}

// command is a list of arguments, or {run: […], timeout: 30s}.
type command commandHeader

type commandHeader struct {
	Run     []string `json:"run" jsonschema:"required"`
	Timeout duration `json:"timeout,omitempty"`
}

func (c *command) decode(d *decoder, n ast.Node, path string) {
	switch n.(type) {
	case ast.MapNode:
		d.value(reflectOf((*commandHeader)(c)), n, path)
	case *ast.SequenceNode:
		d.value(reflectOf(&c.Run), n, path)
	default:
		d.mismatch(n, path, "a list of the program and its arguments").WithNext("write [python3, fetch.py]")
	}
}

// readerColumns is {name: type, …} or a list of {name, type, aliases, optional}.
type readerColumns []readerColumn

type readerColumn struct {
	Name     string `json:"name" jsonschema:"required"`
	Type     string `json:"type,omitempty"`
	Aliases  texts  `json:"aliases,omitempty"`
	Optional bool   `json:"optional,omitempty"`
}

func (cs *readerColumns) decode(d *decoder, n ast.Node, path string) {
	isMap := d.entries(n, path, func(key string, value ast.Node, at string) {
		if kind, ok := d.text(value, at); ok {
			*cs = append(*cs, readerColumn{Name: key, Type: kind})
		}
	})
	if isMap {
		return
	}
	if _, isList := n.(*ast.SequenceNode); !isList {
		d.mismatch(n, path, "name: type lines, or a list of {name, type, aliases, optional}")
		return
	}
	d.value(reflectOf((*[]readerColumn)(cs)), n, path)
}

// duration is a length of time, such as 30s or 1h30m.
type duration time.Duration

func (t *duration) decode(d *decoder, n ast.Node, path string) {
	text, ok := d.text(n, path)
	if !ok {
		return
	}
	length, err := time.ParseDuration(strings.TrimSpace(text))
	if err != nil || length <= 0 {
		d.errorf(path, "unknown-value", "expected a length of time, found %q", text).
			WithNext("write it as 30s, 10m or 1h30m")
		return
	}
	*t = duration(length)
}
