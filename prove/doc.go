// Package prove tries a pipeline's idempotency out instead of believing it. In a scratch target, away from the real one,
// it runs the pipeline again, kills it, overlaps it, reorders it, disturbs its inputs and its world, and compares what is
// in the table afterwards with what a clean run leaves.
//
//	Law      one promise: who it applies to and how it is tried
//	Verdict  what became of a law for a pipeline: holds, broken, not applicable or untried
//	scratch  the folder, and the databases, in which everything happens; a later prove removes what a killed one left
//	bench    one pipeline made ready: chosen windows, their inputs, its upstreams' tables, and the clean result
//	lab      one copy of the bench's target, to be disturbed and thrown away
//	sitting  a lab opened in this process; children open labs by themselves
//	scenario one disturbance, which can be played on any bench, so that it can be played again on a smaller one
//	Break    how a scenario ended other than the clean run: the steps, the rows that differ, the likely cause
//
// Nothing here writes to the user's target or inputs: inputs are copied, and the target is only read, and only for tables
// that no pipeline fills.
package prove
