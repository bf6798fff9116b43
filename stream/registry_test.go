package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bufbuild/protocompile"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/twice-data/twice"
)

// written reads records of a format whose schemas a registry has.
func written(t *testing.T, format, registry string, columns ...twice.ReaderColumn) *Source {
	return source(t, twice.Records{
		Reader:  twice.Reader{Format: format, Columns: columns},
		Options: map[string]string{"registry": registry, "registry_user": "me", "registry_password": "secret", "retry_time": "300ms"},
	}, "select * from feed")
}

// framed is a value behind its schema's id and, of a message, its indexes.
func framed(id int, indexes []byte, value []byte) string {
	return string(append(append(binary.BigEndian.AppendUint32([]byte{0}, uint32(id)), indexes...), value...))
}

func register(t *testing.T, r *srfake.Registry, subject string, s sr.Schema) int {
	t.Helper()
	id, _, err := r.RegisterSchema(subject, s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

const event1 = `{"type": "record", "name": "Event", "namespace": "shop", "fields": [
	{"name": "id", "type": "long"}, {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 30, "scale": 3}},
	{"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}}, {"name": "day", "type": {"type": "int", "logicalType": "date"}},
	{"name": "key", "type": {"type": "fixed", "name": "Key", "size": 16, "logicalType": "uuid"}}, {"name": "color", "type": {"type": "enum", "name": "Color", "symbols": ["RED", "BLUE"]}},
	{"name": "note", "type": ["null", "string"]}, {"name": "raw", "type": "bytes"}, {"name": "ratio", "type": "double"},
	{"name": "more", "type": {"type": "record", "name": "More", "fields": [{"name": "list", "type": {"type": "array", "items": "int"}}]}}]}`

// event2 has no note, another name for the price, and a field that nobody reads.
const event2 = `{"type": "record", "name": "Event", "namespace": "shop", "fields": [
	{"name": "new", "type": "string"}, {"name": "amount", "type": "string"}, {"name": "id", "type": "int"}]}`

func TestRecordsOfAvro(t *testing.T) {
	r := srfake.New()
	t.Cleanup(r.Close)
	first := register(t, r, "events-value", sr.Schema{Schema: event1, Type: sr.TypeAvro})
	if err := r.SetCompat("events-value", sr.CompatNone); err != nil {
		t.Fatal(err)
	}
	second := register(t, r, "events-value", sr.Schema{Schema: event2, Type: sr.TypeAvro})
	other := register(t, r, "other", sr.Schema{Schema: `syntax = "proto3"; message M { int32 a = 1; }`, Type: sr.TypeProtobuf})
	price, _ := new(big.Rat).SetString("-12345678901234567890123456.789")
	value, err := avro.MustParse(event1).Encode(map[string]any{
		"id": int64(1) << 62, "price": price, "at": time.UnixMicro(-1_000_001), "day": time.Date(2020, 2, 29, 0, 0, 0, 0, time.UTC),
		"key": [16]byte{1, 2, 15: 255}, "color": "BLUE", "note": "a \"b\"\n<é>", "raw": []byte{0, 0xff}, "ratio": 0.1, "more": map[string]any{"list": []int32{1, 2}},
	})
	if err != nil {
		t.Fatal(err)
	}
	later, err := avro.MustParse(event2).Encode(map[string]any{"new": "x", "amount": "1.5", "id": 7})
	if err != nil {
		t.Fatal(err)
	}
	s := written(
		t, "avro", r.URL(), twice.ReaderColumn{Name: "id", Type: "bigint"}, twice.ReaderColumn{Name: "price", Type: "decimal(30,3)", Aliases: []string{"amount"}},
		twice.ReaderColumn{Name: "at", Type: "timestamptz", Optional: true}, twice.ReaderColumn{Name: "day", Type: "date", Optional: true},
		twice.ReaderColumn{Name: "key", Type: "uuid", Optional: true}, twice.ReaderColumn{Name: "color", Optional: true}, twice.ReaderColumn{Name: "note", Optional: true},
		twice.ReaderColumn{Name: "raw", Type: "blob", Optional: true}, twice.ReaderColumn{Name: "ratio", Type: "double", Optional: true},
		twice.ReaderColumn{Name: "more", Type: "json", Optional: true},
	)
	rows, whys := read(t, s, framed(first, nil, value), framed(second, nil, later), framed(999, nil, value), framed(other, nil, value),
		framed(first, nil, value[:9]), framed(second, nil, append(later, 1)), "{}", "")
	if diff := cmp.Diff([]string{
		`{'id': 4611686018427387904, 'price': -12345678901234567890123456.789, 'at': '1969-12-31 23:59:58.999999+00', 'day': 2020-02-29, ` +
			`'key': 01020000-0000-0000-0000-0000000000ff, 'color': BLUE, 'note': 'a "b"` + "\n" + `<é>', 'raw': \x00\xFF, 'ratio': 0.1, 'more': '{"list":[1,2]}'}`,
		`{'id': 7, 'price': 1.500, 'at': NULL, 'day': NULL, 'key': NULL, 'color': NULL, 'note': NULL, 'raw': NULL, 'ratio': NULL, 'more': NULL}`,
	}, rows); diff != "" {
		t.Error(diff)
	}
	for i, want := range []string{
		"2: the registry has no schema with its id 999", fmt.Sprintf("3: its schema %d is of PROTOBUF", other), "4: it is not of its schema: ",
		"5: it has 1 bytes more than its schema says", "6: it does not begin with a schema's id", "7: it ",
	} {
		if i >= len(whys) || !strings.HasPrefix(whys[i], want) {
			t.Errorf("%q, want %q", whys, want)
		}
	}
}

const shop = `syntax = "proto3";
package shop;
import "money.proto";
import "google/protobuf/timestamp.proto";
message Other {}
message Outer {
	message Event {
		int64 id = 1;
		optional string note = 2;
		google.protobuf.Timestamp at = 3;
		Money price = 4;
		repeated string tags = 5;
		map<string, int32> counts = 6;
		Color color = 7;
		bytes raw = 8;
		float ratio = 9;
		uint64 big = 10;
	}
	enum Color { NONE = 0; BLUE = 1; }
}`

const money = `syntax = "proto3"; package shop; message Money { string amount = 1; int64 cents = 2; }`

func TestRecordsOfProtobuf(t *testing.T) {
	r := srfake.New()
	t.Cleanup(r.Close)
	register(t, r, "money.proto", sr.Schema{Schema: money, Type: sr.TypeProtobuf})
	id := register(t, r, "events-value", sr.Schema{Schema: shop, Type: sr.TypeProtobuf, References: []sr.SchemaReference{
		{Name: "money.proto", Subject: "money.proto", Version: 1},
	}})
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{
		Accessor: protocompile.SourceAccessorFromMap(map[string]string{"shop.proto": shop, "money.proto": money}),
	})}
	files, err := compiler.Compile(t.Context(), "shop.proto")
	if err != nil {
		t.Fatal(err)
	}
	m := dynamicpb.NewMessage(files[0].FindDescriptorByName("shop.Outer.Event").(protoreflect.MessageDescriptor))
	err = prototext.Unmarshal([]byte(`id: -5 at: {seconds: 1 nanos: 5000} price: {amount: "1.5" cents: 150} tags: "a" tags: "b"
		counts: {key: "x" value: 1} color: BLUE raw: "\x00\xff" ratio: 0.1 big: 18446744073709551615`), m)
	if err != nil {
		t.Fatal(err)
	}
	value, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	s := written(
		t, "protobuf", r.URL(), twice.ReaderColumn{Name: "id", Type: "bigint"}, twice.ReaderColumn{Name: "note"}, twice.ReaderColumn{Name: "at", Type: "timestamp"},
		twice.ReaderColumn{Name: "price", Type: "json"}, twice.ReaderColumn{Name: "tags", Type: "varchar[]"}, twice.ReaderColumn{Name: "counts", Type: "json"},
		twice.ReaderColumn{Name: "color"}, twice.ReaderColumn{Name: "raw", Type: "blob"}, twice.ReaderColumn{Name: "ratio", Type: "float"},
		twice.ReaderColumn{Name: "big", Type: "ubigint"},
	)
	path := []byte{4, 2, 0} // two indexes: 1, 0
	rows, whys := read(t, s, framed(id, path, value), framed(id, path, nil), framed(id, []byte{2, 18}, value), framed(id, []byte{0}, nil), framed(id, nil, nil),
		framed(id, path, []byte{8}))
	if diff := cmp.Diff([]string{
		`{'id': -5, 'note': NULL, 'at': '1970-01-01 00:00:01.000005', 'price': '{"amount":"1.5","cents":"150"}', 'tags': [a, b], 'counts': '{"x":1}', ` +
			`'color': BLUE, 'raw': \x00\xFF, 'ratio': 0.1, 'big': 18446744073709551615}`,
		`{'id': 0, 'note': NULL, 'at': NULL, 'price': NULL, 'tags': [], 'counts': '{}', 'color': NONE, 'raw': '', 'ratio': 0.0, 'big': 0}`,
	}, rows); diff != "" {
		t.Error(diff)
	}
	for i, want := range []string{"2: its schema has no message with the index 9", "3: it has no field id", "4: it ends within the indexes", "5: it is not of its schema"} {
		if i >= len(whys) || !strings.HasPrefix(whys[i], want) {
			t.Errorf("%q, want %q", whys, want)
		}
	}
}

// TestRegistryFaults says that what is no fault of a record stops the run, and never shows the password.
func TestRegistryFaults(t *testing.T) {
	answers := []func(w http.ResponseWriter){}
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if _, pass, _ := req.BasicAuth(); pass != "secret" {
			t.Error("no password was sent")
		}
		answer := answers[min(asked, len(answers)-1)]
		asked++
		answer(w)
	}))
	t.Cleanup(server.Close)
	status := func(code int, body string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			_, _ = w.Write([]byte(body))
		}
	}
	good := status(200, `{"schema": "{\"type\": \"record\", \"name\": \"R\", \"fields\": [{\"name\": \"id\", \"type\": \"int\"}]}"}`)
	for name, c := range map[string]struct {
		answers []func(http.ResponseWriter)
		code    string // empty: the record is read
		says    string
	}{
		"away for a moment": {[]func(http.ResponseWriter){status(503, `{}`), status(429, ``), good}, "", ""},
		"away":              {[]func(http.ResponseWriter){status(500, `{"error_code": 50001, "message": "store"}`)}, "registry", "HTTP status 500"},
		"login":             {[]func(http.ResponseWriter){status(401, `{"error_code": 401, "message": "no"}`)}, "registry-login", "registry_password"},
		"no registry":       {[]func(http.ResponseWriter){status(404, `<html>not here</html>`)}, "registry", "HTTP status 404"},
		"no schema":         {[]func(http.ResponseWriter){status(200, `{"schema": "{"}`)}, "bad-schema", "cannot be read"},
		"no record":         {[]func(http.ResponseWriter){status(200, `{"schema": "\"int\""}`)}, "bad-schema", "it is no record"},
	} {
		t.Run(name, func(t *testing.T) {
			answers, asked = c.answers, 0
			fault(t, server.URL, c.code, c.says)
		})
	}
	server.Close()
	fault(t, server.URL, "registry-unreachable", "cannot reach the registry")
	fault(t, strings.Replace(server.URL, "http://", "http://u:secret@", 1), "registry-unreachable", "cannot reach the registry")
}

func fault(t *testing.T, url, code, says string) {
	t.Helper()
	s := written(t, "avro", url, twice.ReaderColumn{Name: "id", Type: "int"})
	b := &Batch{records: []*kgo.Record{{Value: []byte(framed(1, nil, []byte{2}))}}}
	_, poison, err := s.Relation(t.Context(), b, t.TempDir())
	if code == "" {
		if err != nil || len(poison) > 0 {
			t.Error(err, poison)
		}
		return
	}
	var e *twice.Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Message+e.Next, says) || e.Next == "" || e.File == "" {
		t.Errorf("%v, want %s", err, code)
	}
	if strings.Contains(fmt.Sprint(err), "secret") {
		t.Errorf("the password is in %v", err)
	}
}
