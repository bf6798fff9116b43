package engine

import "strings"

// Rows are an input's rows in memory, by column.
type Rows struct {
	N       int
	Columns []Vector
}

// Vector is a column of Rows: a value for each row in the one slice that its type's Form names.
type Vector struct {
	Name, Type string // as DuckDB spells it in full
	Form       Form
	Nulls      []bool // a row that is NULL has a value too, which means nothing

	Ints   []int64
	Floats []float64
	Bytes  []byte // the values one after the other
	Ends   []int  // where in Bytes each of them ends
}

// Form is how a type's values are kept in a Vector.
type Form int

// The forms. Infinite dates and times are the largest and the smallest integer.
const (
	Absent Form = iota // of types that have none: their rows travel in files
	Integer
	Boolean // 0 or 1
	Days    // since 1970-01-01
	Micros  // since 1970-01-01, in UTC where the type has a time zone
	Float
	Text   // of VARCHAR; of DECIMAL and UUID, as DuckDB writes them
	Opaque // bytes
)

var forms = map[string]Form{
	"TINYINT": Integer, "SMALLINT": Integer, "INTEGER": Integer, "BIGINT": Integer,
	"UTINYINT": Integer, "USMALLINT": Integer, "UINTEGER": Integer,
	"BOOLEAN": Boolean, "DATE": Days, "TIMESTAMP": Micros, "TIMESTAMP WITH TIME ZONE": Micros,
	"FLOAT": Float, "DOUBLE": Float, "VARCHAR": Text, "UUID": Text, "BLOB": Opaque,
}

// FormOf is the form of a type as DuckDB spells it.
func FormOf(typ string) Form {
	if strings.HasPrefix(typ, "DECIMAL(") && !strings.HasSuffix(typ, "]") {
		return Text
	}
	return forms[typ]
}

// Null adds a NULL.
func (v *Vector) Null() {
	switch v.Form {
	case Float:
		v.Float(0)
	case Text, Opaque:
		v.Append(nil)
	default:
		v.Int(0)
	}
	v.Nulls[len(v.Nulls)-1] = true
}

// Int adds a value of the forms that are whole numbers.
func (v *Vector) Int(n int64) {
	v.Ints, v.Nulls = append(v.Ints, n), append(v.Nulls, false)
}

// Float adds a value of a floating-point type.
func (v *Vector) Float(f float64) {
	v.Floats, v.Nulls = append(v.Floats, f), append(v.Nulls, false)
}

// Append adds a value of the forms that are bytes. What was added to Bytes since the last one comes before it.
func (v *Vector) Append(b []byte) {
	v.Bytes, v.Nulls = append(v.Bytes, b...), append(v.Nulls, false)
	v.Ends = append(v.Ends, len(v.Bytes))
}

// Value is the row's bytes, of the forms that have them. It is valid as long as the Vector is not changed.
func (v *Vector) Value(row int) []byte {
	from := 0
	if row > 0 {
		from = v.Ends[row-1]
	}
	if from == v.Ends[row] {
		return []byte{} // never nil, which is no value
	}
	return v.Bytes[from:v.Ends[row]]
}

// Truncate takes back all values but the first n.
func (v *Vector) Truncate(n int) {
	if len(v.Nulls) <= n {
		return
	}
	v.Nulls = v.Nulls[:n]
	switch v.Form {
	case Float:
		v.Floats = v.Floats[:n]
	case Text, Opaque:
		v.Ends = v.Ends[:n]
		end := 0
		if n > 0 {
			end = v.Ends[n-1]
		}
		v.Bytes = v.Bytes[:end]
	default:
		v.Ints = v.Ints[:n]
	}
}
