package duckdb

import (
	"reflect"
	"strings"
	"testing"

	"github.com/twice-data/twice"
)

// No glance is taken at a compressed file: what the sniffer finds in it on its own is what it must find after one.
func TestAGlanceAtACSVFileChangesNothing(t *testing.T) {
	conn, err := openTest(t, Options{}).Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	typed := []twice.ReaderColumn{{Name: "at", Type: "date"}, {Name: "n", Type: "bigint"}}
	for name, c := range map[string]struct {
		text    string
		columns []twice.ReaderColumn
	}{
		"iso dates":            {"at,n\n2020-01-02,1\n2020-01-13,2\n", typed},
		"american dates":       {"at;n\n01/02/2020;1\n01/13/2020;2\n", typed},
		"european dates":       {"at\tn\n02.01.2020\t1\n13.01.2020\t2\n", typed},
		"times":                {"at|n\n2020-01-02 03:04:05|1.5\n2020-01-13 03:04:05|2\n", nil},
		"no header":            {"2020-01-02,1\n2020-01-13,2\n", typed},
		"text and no header":   {"a,b\nc,d\n", nil},
		"text under a header":  {"at,n\na,b\n", []twice.ReaderColumn{{Name: "at"}}},
		"one column":           {"n\n1\n2\n", []twice.ReaderColumn{{Name: "n", Type: "bigint"}}},
		"returns for newlines": {"at,n\r2020-01-02,1\r2020-01-13,2\r", typed},
		"both":                 {"at,n\r\n2020-01-02,1\r\n2020-01-13,2\r\n", typed},
		"empty fields":         {"at,n\n,1\n2020-01-13,\n", typed},
		"double quotes":        {"at,n\n\"2020-01-02\",\"1,5\"\n2020-01-13,\"a \"\"b\"\"\"\n", nil},
		"single quotes":        {"at,n\n'2020-01-02','1,5'\n2020-01-13,'b'\n", nil},
		"a backslash":          {"at,n\n2020-01-02,\"1 \\\" 5\"\n2020-01-13,2\n", nil},
		"an apostrophe":        {"at,n\n2020-01-02,O'Hara\n2020-01-13,b\n", nil},
		"a ragged line":        {"at,n,more\n2020-01-02,1\n2020-01-13,2,3\n", typed},
		"more than a sample":   {"at,n\n" + strings.Repeat("2020-01-02,1\n", 2*quickSample) + "2020-01-13,\"a, b\"\n", []twice.ReaderColumn{{Name: "at"}}},
		"just a sample":        {"at,n\n" + strings.Repeat("2020-01-02,1\n", quickSample-3) + "2020-01-13,x\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			files := write(t, "a.csv", c.text, "a.csv.gz", zip(t, c.text))
			l := look{ctx: t.Context(), conn: conn, reader: twice.Reader{Columns: c.columns}}
			want, wantErr := l.csv(files[1], true)
			got, err := l.csv(files[0], false)
			if (err == nil) != (wantErr == nil) {
				t.Fatalf("%v after a glance, %v without", err, wantErr)
			}
			if err != nil {
				return
			}
			options := strings.Replace(want.options, compression(true), compression(false), 1)
			if got.options != options || !reflect.DeepEqual(got.columns, want.columns) {
				t.Errorf("after a glance\n%s %v\nwithout\n%s %v", got.options, got.columns, options, want.columns)
			}
		})
	}
}

func TestAGlanceSparesTheSnifferWhatDoesNotOccur(t *testing.T) {
	for text, want := range map[string]glance{
		"a,b\n1,2\n":                {whole: true, given: []string{`quote = '"'`, `escape = '"'`}},
		"a,b\n1,'\n":                {whole: true},
		"a,b\n1,\"2\"\n":            {whole: true},
		"a,b\n1,\\N\n":              {whole: true},
		strings.Repeat("\r", 30000): {given: []string{`quote = '"'`, `escape = '"'`}},
	} {
		path := write(t, "a.csv", text)[0]
		if got := (look{}).glance(path, false); !reflect.DeepEqual(got, want) {
			t.Errorf("%.20q: %+v instead of %+v", text, got, want)
		}
		if got := (look{}).glance(path, true); !reflect.DeepEqual(got, glance{}) {
			t.Errorf("a compressed file: %+v", got)
		}
		if got := (look{reader: twice.Reader{Quote: "'"}}).glance(path, false); got.given != nil {
			t.Errorf("%.20q: %v is given beside a declared quote", text, got.given)
		}
	}
}
