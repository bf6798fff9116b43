// Package engine carries out the three writes on a target, whatever its kind.
//
//	Driver    what an engine must offer: sessions, its catalogue, its parser, and the few statements in which it differs
//	Features  what a driver can honestly promise; the conformance suite reads it
//	DB        what callers hold: a Driver, with every statement numbered and named on its way to it
//	Session   one connection of a DB, with fixed settings
//	Job       one write: a pipeline's SELECT over bound windows and pinned relations
//	Point     a place before or after a statement, where a fault can be injected
//
// Every write is one story: fence, then the change, the guards and the checks, the receipt, COMMIT. Each statement of it
// goes through Session.Exec or Session.Query, which is why a test can kill the process before and after any of them.
package engine
