// Package run is the story from project to committed receipt: plan, then for each window lease, manifest, write, receipt.
//
//	Plan   which windows are new or stale, why, and from which inputs
//	Run    carries a plan out, upstream first
//	Step   one window of a plan
//	Event  how one window ended
//
// It imports no driver: the target is an engine.DB that it is given.
package run
