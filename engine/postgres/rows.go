package postgres

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// rows are an input's rows in memory, on their way into a binary COPY.
type rows struct {
	rel    engine.Relation
	routes []route
	write  []writer
}

// writer appends the value of a row, with its length before it.
type writer func(buf []byte, v *engine.Vector, row int) ([]byte, error)

func newRows(rel engine.Relation) (*rows, error) {
	r := &rows{rel: rel}
	for _, c := range rel.Rows.Columns {
		route, ok := routeFor(twice.Column{Name: c.Name, Type: c.Type})
		if !ok {
			return nil, cannotTravel(rel, c.Name, c.Type, "which PostgreSQL has no counterpart for")
		}
		r.routes = append(r.routes, route)
		r.write = append(r.write, writerOf(c, route))
	}
	return r, nil
}

// writerOf is how a column's values are written for its type over there.
func writerOf(c engine.Vector, to route) writer {
	switch c.Form {
	case engine.Boolean:
		return func(buf []byte, v *engine.Vector, row int) ([]byte, error) {
			return append(buf, 0, 0, 0, 1, byte(v.Ints[row])), nil
		}
	case engine.Integer:
		return integerOf(to.oid)
	case engine.Days:
		return func(buf []byte, v *engine.Vector, row int) ([]byte, error) {
			days := v.Ints[row]
			if days != math.MaxInt64 && days != math.MinInt64 {
				days -= year2000 / 86_400_000_000
			}
			return date(append(buf, 0, 0, 0, 4), days)
		}
	case engine.Micros:
		return func(buf []byte, v *engine.Vector, row int) ([]byte, error) {
			return timestamp(append(buf, 0, 0, 0, 8), v.Ints[row])
		}
	case engine.Float:
		if to.oid == 700 {
			return func(buf []byte, v *engine.Vector, row int) ([]byte, error) {
				return be.AppendUint32(append(buf, 0, 0, 0, 4), math.Float32bits(float32(v.Floats[row]))), nil
			}
		}
		return func(buf []byte, v *engine.Vector, row int) ([]byte, error) {
			return be.AppendUint64(append(buf, 0, 0, 0, 8), math.Float64bits(v.Floats[row])), nil
		}
	}
	return bytesOf(c.Type, to)
}

func integerOf(oid uint32) writer {
	switch oid {
	case 21:
		return func(buf []byte, v *engine.Vector, row int) ([]byte, error) {
			return be.AppendUint16(append(buf, 0, 0, 0, 2), uint16(v.Ints[row])), nil
		}
	case 23:
		return func(buf []byte, v *engine.Vector, row int) ([]byte, error) {
			return be.AppendUint32(append(buf, 0, 0, 0, 4), uint32(v.Ints[row])), nil
		}
	default:
		return func(buf []byte, v *engine.Vector, row int) ([]byte, error) {
			return be.AppendUint64(append(buf, 0, 0, 0, 8), uint64(v.Ints[row])), nil
		}
	}
}

// bytesOf is how the values that are text or bytes are written.
func bytesOf(from string, to route) writer {
	encode := to.encode
	switch from {
	case "BLOB":
		return func(buf []byte, v *engine.Vector, row int) ([]byte, error) {
			value := v.Value(row)
			return append(be.AppendUint32(buf, uint32(len(value))), value...), nil
		}
	case "VARCHAR":
		return func(buf []byte, v *engine.Vector, row int) ([]byte, error) {
			value := v.Value(row)
			if bytes.IndexByte(value, 0) >= 0 {
				return nil, refuse("text with a NUL character in it: %q", value)
			}
			return append(be.AppendUint32(buf, uint32(len(value))), value...), nil
		}
	case "UUID":
		return func(buf []byte, v *engine.Vector, row int) ([]byte, error) {
			id, err := hex.DecodeString(strings.ReplaceAll(string(v.Value(row)), "-", ""))
			if err != nil || len(id) != 16 {
				return nil, fmt.Errorf("%q is no UUID", v.Value(row))
			}
			return append(append(buf, 0, 0, 0, 16), id...), nil
		}
	default:
		return func(buf []byte, v *engine.Vector, row int) ([]byte, error) {
			return sized(buf, string(v.Value(row)), encode)
		}
	}
}

// stream writes the rows as the body of a binary COPY and returns their number.
func (r *rows) stream(ctx context.Context, w io.Writer) (int64, error) {
	const piece = 64 << 10
	columns := r.rel.Rows.Columns
	buf := append(make([]byte, 0, piece+piece/4), copyBegin...)
	for row := range r.rel.Rows.N {
		buf = be.AppendUint16(buf, uint16(len(columns)))
		for i := range columns {
			v := &columns[i]
			if v.Nulls[row] {
				buf = append(buf, null...)
				continue
			}
			var err error
			if buf, err = r.write[i](buf, v, row); err != nil {
				return 0, blame(r.rel, err, r.routes[i])
			}
		}
		if len(buf) >= piece {
			if err := ctx.Err(); err != nil {
				return 0, err
			}
			if _, err := w.Write(buf); err != nil {
				return 0, err
			}
			buf = buf[:0]
		}
	}
	_, err := w.Write(append(buf, copyEnd...))
	return int64(r.rel.Rows.N), err
}
