// Package manifest resolves what a window reads to exactly what it is: files with their content hashes, and, for what
// cannot be read twice, captures.
//
//	template   a path with {start:%Y-%m-%d}, {end:…}, ${VAR} and globs; a window turns it into paths
//	pin        what one input resolved to; the pins of a window are its manifest
//	recorded   of a hash: known from an earlier run, and reused while the file's size and modification time are the same
//	capture    the bytes of an input that cannot be read twice, kept under their SHA-256
//	store      where captures are kept
//
// What a reuse of hashes cannot see is a file that was changed with its size and modification time kept. Rehash is for
// that.
package manifest
