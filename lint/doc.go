// Package lint asks of a pipeline's SELECT: does it give the same rows whenever, wherever and by whomever it is run?
//
//	Rules    every rule, with what it is about, an example and the cure
//	Check    the findings of one pipeline, waived ones included
//	Finding  a place that breaks a rule, the reason and what to type
//
// What the SQL says comes from the engine's own parser and catalogue (engine.Query, engine.Volatility). Whether an ORDER
// BY is total is worked out from what decides a row: keys of upstream pipelines, GROUP BY, DISTINCT, equalities of joins,
// and the contract (see rows.go). Lint never says that a row is decided when it is not known to be.
package lint
