// Package diff finds what two relations do not have in common, wherever they live, without moving either of them.
//
//	Side     one relation: a table, or a query, seen through a session
//	kind     what a column's values are, whatever the engine calls the type: "number", "text", "timestamp", …
//	text     a value as text that is equal in every engine for equal values of one kind
//	hash     60 bits of the MD5 of a text, computed where the rows are; a row has one of its key and one in full
//	segment  the rows whose key's hash starts with the same bits; it is summed up as a count and a sum of row hashes
//
// Both sides sum up their segments. Those that differ are cut into smaller ones until few rows are left; of these the
// hashes alone travel, which is enough to count every difference, and then the rows that are going to be shown.
//
// The kinds and their texts, which drivers write (Canonical) and this package reads:
//
//	boolean              t or f
//	number               an integer or a decimal of any width, in digits, without zeros at the end of a fraction
//	float4, float8       the bits as a signed integer; 0 for both zeros, "nan" for every NaN
//	text                 the number of bytes, a colon, the bytes; padding of character(n) does not count
//	bytes                hexadecimal digits
//	date                 days since 1970, or infinity, -infinity
//	time                 microseconds since midnight
//	timestamp            microseconds since 1970, without a zone; nanoseconds with "ns" behind where there are any
//	timestamptz          microseconds since 1970 in UTC
//	uuid                 lower-case text
//	[]kind               the number of elements, a colon, each element (- for NULL) with a comma behind
//	own                  what else the engine prints, sized as text is: comparable inside one engine alone
package diff
