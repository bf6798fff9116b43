// Package capture reads what cannot be read twice, once, and keeps it: a database query, a command's output, an HTTP
// answer becomes one Parquet file in a store, under its SHA-256, before anything is done with it.
//
//	Capturer   captures all inputs of some windows that need it
//	snapshot   one transaction on one server, which all queries of a Capture to that server see
//	rows       a query's rows on their way: CSV in which NULL is a \N without quotes
//	answer     what a command or a server said, in files, as it came
//
// Whatever goes wrong, nothing is in the store under any name. Equal rows in equal order give equal bytes: DuckDB writes
// them with one thread.
package capture
