// Package ledger keeps, in the schema "twice" of the target itself, what was run, from what, and with which result.
//
// Tables (all are ordinary and may be queried by anyone; nobody but twice writes them):
//
//	twice.runs       one row a run that had work to do
//	twice.manifests  what a window's inputs resolved to, recorded before the work
//	twice.receipts   one row a pipeline and window: what is in the table now, and from what
//	twice.history    every receipt that was ever committed
//	twice.tables     the fingerprint of each table that is merged into, kept up to date by every merge
//	twice.leases     who may write a window, with the token that fences everyone else off
//	twice.files      hashes of files seen, so that unchanged files are not read again
//	twice.offsets    the next offset of each stream, committed with the rows of those before it
//	twice.quarantine records of a stream that do not parse
//
// A window's life, each arrow a transaction:
//
//	planned ──Begin──▶ open (lease held, manifest recorded) ──Commit──▶ committed (data + receipt, lease free)
//	                     │  ▲
//	                     ▼  │ the same or another run takes the lease over: its token grows, the old one is fenced off
//	                   killed
//
// Nothing is ever half: a window without a receipt was not written, whatever else is found.
package ledger
