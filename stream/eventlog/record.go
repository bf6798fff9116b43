package eventlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
	"unicode/utf8"
)

// Record is a record with everything that an envelope can hold.
type Record struct {
	Key     []byte // nil: none
	Value   []byte // nil: none, a tombstone
	Time    time.Time
	Headers []Header
}

// Header is one of a record's headers; a name may be there more than once.
type Header struct {
	Key   string
	Value []byte
}

// envelope is a record's line. Bytes that are not text stand in base64.
type envelope struct {
	Key     *string         `json:"key,omitempty"`
	Key64   *[]byte         `json:"key_base64,omitempty"`
	Value   json.RawMessage `json:"value,omitempty"` // a string is the value's text; anything else is the value itself
	Value64 *[]byte         `json:"value_base64,omitempty"`
	Time    *time.Time      `json:"timestamp,omitempty"`
	Headers []header        `json:"headers,omitempty"`
}

type header struct {
	Key     string  `json:"key"`
	Value   string  `json:"value,omitempty"`
	Value64 *[]byte `json:"value_base64,omitempty"`
}

// Unwrap reads an envelope.
func Unwrap(line []byte) (Record, error) {
	var e envelope
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil {
		return Record{}, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Record{}, errors.New("there is more behind it")
	}
	var r Record
	switch {
	case e.Key != nil:
		r.Key = []byte(*e.Key)
	case e.Key64 != nil:
		r.Key = *e.Key64
	}
	switch {
	case e.Value64 != nil:
		r.Value = *e.Value64
	case len(e.Value) > 0 && e.Value[0] == '"':
		var text string
		if err := json.Unmarshal(e.Value, &text); err != nil {
			return r, err
		}
		r.Value = []byte(text)
	case len(e.Value) > 0 && !bytes.Equal(e.Value, []byte("null")):
		r.Value = e.Value
	}
	if e.Time != nil {
		r.Time = *e.Time
	}
	for _, h := range e.Headers {
		value := []byte(h.Value)
		if h.Value64 != nil {
			value = *h.Value64
		}
		r.Headers = append(r.Headers, Header{h.Key, value})
	}
	return r, nil
}

// Wrap is the line of an envelope, without its line feed.
func (r Record) Wrap() []byte {
	var e envelope
	switch {
	case r.Key == nil:
	case utf8.Valid(r.Key):
		key := string(r.Key)
		e.Key = &key
	default:
		e.Key64 = &r.Key
	}
	switch {
	case r.Value == nil:
	case utf8.Valid(r.Value):
		e.Value = marshal(string(r.Value))
	default:
		e.Value64 = &r.Value
	}
	if !r.Time.IsZero() {
		at := r.Time.UTC()
		e.Time = &at
	}
	for _, h := range r.Headers {
		one := header{Key: h.Key, Value: string(h.Value)}
		if !utf8.Valid(h.Value) {
			one.Value, one.Value64 = "", &h.Value
		}
		e.Headers = append(e.Headers, one)
	}
	return marshal(e)
}

func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // text and bytes always marshal
	}
	return b
}

// Append adds records to a partition of the log in a folder, which is made if need be, and gives the offset of the first.
// Without wrap a line is a record's value alone. One program at a time may append to a file: what another one has begun to
// write at its end, and not ended, is cut off.
func Append(folder string, part int32, wrap bool, records ...Record) (int64, error) {
	var text []byte
	for _, r := range records {
		line := r.Value
		switch {
		case wrap:
			line = r.Wrap()
		case len(line) == 0 || bytes.IndexByte(line, '\n') >= 0:
			return 0, fmt.Errorf("%.100q is no line", line)
		}
		text = append(append(text, line...), '\n')
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return 0, err
	}
	files, err := Files(folder)
	if err != nil {
		return 0, err
	}
	path := files[part]
	if path == "" {
		path = filepath.Join(folder, fmt.Sprintf("%d.ndjson", part))
	}
	return add(path, text)
}

func add(path string, text []byte) (at int64, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if at, err = (&File{f}).end(); err != nil {
		return 0, err
	}
	if err := f.Truncate(at); err != nil {
		return 0, err
	}
	if _, err := f.WriteAt(text, at); err != nil {
		return 0, err
	}
	return at, f.Sync()
}
