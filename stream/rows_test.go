package stream

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"github.com/twice-data/twice"
)

// every declares a column of each type that records can have in memory.
var every = []twice.ReaderColumn{
	{Name: "v", Type: "varchar", Optional: true}, {Name: "i8", Type: "tinyint", Optional: true}, {Name: "u8", Type: "utinyint", Optional: true},
	{Name: "i16", Type: "int2", Optional: true}, {Name: "i32", Type: "integer", Optional: true}, {Name: "u32", Type: "uinteger", Optional: true},
	{Name: "i64", Type: "bigint", Optional: true}, {Name: "b", Type: "boolean", Optional: true}, {Name: "f32", Type: "real", Optional: true},
	{Name: "f64", Type: "double", Optional: true}, {Name: "dec", Type: "decimal(9,3)", Optional: true}, {Name: "big", Type: "decimal(38,0)", Optional: true},
	{Name: "d", Type: "date", Optional: true}, {Name: "ts", Type: "timestamp", Optional: true}, {Name: "tz", Type: "timestamptz", Optional: true},
	{Name: "id", Type: "uuid", Optional: true}, {Name: "must", Aliases: []string{"has to"}},
}

// TestMemoryReadsWhatDuckDBReads gives fields values of their types, of others and nearly so, and documents that are
// nearly right: whatever is read in memory, DuckDB must read alike.
func TestMemoryReadsWhatDuckDBReads(t *testing.T) {
	s := source(t, twice.Records{Reader: twice.Reader{Format: "json", Columns: every}}, "select * from feed")
	values := []string{
		"null", "true", "false", "0", "-0", "1", "-1", "01", "127", "128", "-129", "255", "65536", "2147483648", "4294967295", "9223372036854775807",
		"-9223372036854775808", "99999999999999999999", "1.5", "2.0", "1e3", "1.500", "0.1", "-0.0", "1E400", "123456.789", "1234567.1", "1.2345", "16777217",
		"0.30000000000000004", "12345678901234567890123456789012345678", "1.", ".5", "+1", "nan", "NaN", "Infinity", `""`, `" "`, `"x"`, `"1"`, `"-1"`, `" 1"`, `"01"`,
		`"1.50"`, `"1_000"`, `"1e2"`, `"0x10"`, `"true"`, `"TRUE"`, `"t"`, `"nan"`, `"inf"`, `"2020-02-29"`, `"2021-02-29"`, `"2020-1-2"`, `"0000-01-01"`, `"2020-13-01"`,
		`"2020-01-01T00:00:00Z"`, `"2020-01-01 23:59:59.999999"`, `"2020-01-01T10:00:00.5+02:00"`, `"2020-01-01T24:00:00Z"`, `"2020-01-01T10:00:00.1234567Z"`,
		`"2020-01-01T10:00:60Z"`, `"1969-12-31T23:59:59.1Z"`, `"2020-01-01Z"`, `"infinity"`, `"-infinity"`, `"2020-01-01T10:00Z"`, `"9999-12-31"`, `"0001-01-01T00:00:00"`,
		`"6ba7b810-9dad-11d1-80b4-00c04fd430c8"`, `"6BA7B810-9DAD-11D1-80B4-00C04FD430C8"`, `"6ba7b8109dad11d180b400c04fd430c8"`, `"a\\b\"c\n\/"`, `"\u00e9\ud83d\ude00"`,
		`"\u0000"`, `"\ud800"`, `"\x"`, "\"tab\tin\"", `"é"`, `{"a": [1, "}"]}`, `[ 1 , 2.50]`, `[1e400]`, `{"\ud800": 1}`, `{"a":1,}`, `[1`, `"open`, `""""`, "tru", "nul", "1a",
	}
	keys := []string{"must", "has to", "v", "x", `m\u0075st`, "must", ""}
	for _, c := range every {
		keys = append(keys, c.Name)
	}
	rapid.Check(t, func(rt *rapid.T) {
		var docs []string
		for range rapid.IntRange(1, 30).Draw(rt, "documents") {
			var fields []string
			for range rapid.IntRange(0, 4).Draw(rt, "fields") {
				gap := rapid.SampledFrom([]string{"", "", "", " ", "\n\t", ","}).Draw(rt, "gap")
				fields = append(fields, fmt.Sprintf(`%s"%s"%s:%s%s`, gap, rapid.SampledFrom(keys).Draw(rt, "key"), gap, gap, rapid.SampledFrom(values).Draw(rt, "value")))
			}
			fields = append(fields, `"must": 1`)
			docs = append(docs, rapid.SampledFrom([]string{"", "", "", " ", "["}).Draw(rt, "before")+"{"+strings.Join(fields, ",")+"}"+
				rapid.SampledFrom([]string{"", "", "", "\n", "}", "x"}).Draw(rt, "after"))
		}
		read(t, s, docs...)
		if t.Failed() {
			rt.Fatalf("%q", docs)
		}
	})
}

// TestPlainRecordsNeedNoJudge says that what producers write most does not go through DuckDB.
func TestPlainRecordsNeedNoJudge(t *testing.T) {
	s := source(t, twice.Records{Reader: twice.Reader{Format: "json", Columns: every}}, "select * from feed")
	read(t, s, `{"must": "first"}`) // opens what reads
	doc := `{"must": "a\n", "v": 1.50, "i8": -128, "u8": 255, "i16": 7, "i32": 7, "u32": 7, "i64": 1234567890123456, "b": true, "f32": 1.5,
		"f64": 1e-7, "dec": 123456.7, "big": "12345678901234567890123456789012345678", "d": "2020-02-29", "ts": "2020-02-29T01:02:03.5Z",
		"tz": "2020-02-29 01:02:03", "id": "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "more": {"a": [1, "}"]}, "null": null}`
	rows, rest := s.rows([]*kgo.Record{{Value: []byte(doc)}})
	if rows.N != 1 || len(rest) != 0 {
		t.Fatalf("%d rows in memory, %d records for DuckDB", rows.N, len(rest))
	}
	read(t, s, doc)
}

// FuzzScan says that what the scanner takes for an object is one, and that it finds what a decoder does.
func FuzzScan(f *testing.F) {
	for _, text := range []string{`{"a": 1.50, "b": "1.5", "c": [2.5]}`, `{"a":"\\"}`, `{"a": 01}`, `{"a":"\u0041"}`, ` {"a":null , "x":{"y":"}"}} `, `{}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			t.Skip()
		}
		s := scanner{index: map[string]int{"a": 0, "b": 1}, tokens: make([]token, 2)}
		if !s.scan([]byte(text)) {
			return
		}
		var doc map[string]json.RawMessage
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatalf("%q is taken for an object: %v", text, err)
		}
		for name, i := range s.index {
			raw, there := doc[name]
			tok := s.tokens[i]
			if there != (tok.kind != 0) {
				t.Fatalf("%q: %s is %q", text, name, tok)
			}
			want := string(raw)
			if tok.kind == str {
				if err := json.Unmarshal(raw, &want); err != nil {
					t.Fatal(err)
				}
			}
			if there && string(tok.text) != want {
				t.Fatalf("%q: %s is %q", text, name, tok.text)
			}
		}
	})
}
