// Package eventlog is a log on disk that programs append to: a folder with a file a partition, or one file.
//
//	File      a partition: the records of one file
//	Extent    what there is of a file: who it is, and where its last whole line ends
//	Line      a record's line, and its offset: the byte at which it begins
//	Record    a record with its key, time and headers, as an envelope has it
//
// A file of a folder is named after its partition's number: 0.ndjson, 1.ndjson; any extension will do. A line is a record,
// whose value it is; with envelopes it is a JSON object that has the value in it, and a key, a time and headers. An empty
// line is none. A last line without its line feed is no record yet: somebody is writing it.
//
// An offset is a place in bytes, so that reading goes on anywhere without an index, and "tail -c +N" shows a record.
// Files only ever grow. A file's identity is its first record: one that begins with another is another file.
package eventlog
