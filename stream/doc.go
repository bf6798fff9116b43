// Package stream reads Kafka topics by offset ranges.
//
//	Source    a topic, as one pipeline reads it
//	Log       what the broker has of a topic: its identity, and each partition's first and end offset
//	Batch     the records of chosen offset ranges: the window of a stream
//	Poison    a record that does not parse, and why
//	Member    a process's place in a consumer group, which says only which partitions it reads
//
// A range is read by asking for exactly its offsets; no position is kept here, and none is taken from the broker. Where a
// stream goes on is written in the target, in the transaction of the rows (see package ledger). Kafka's own committed
// offsets are written for those who watch the lag, and never read.
//
// Only what is committed in Kafka is read (read_committed). Offsets that hold no record, because of transactions or
// compaction, belong to the range all the same.
package stream
