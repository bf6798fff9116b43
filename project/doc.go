// Package project reads a project's folder: twice.yml and pipelines/**/*.sql.
//
// The files are decoded strictly. Whatever is wrong in any of them is reported at once, as twice.Errors with a file, a
// line, what was expected and what to do. What Load returns is valid, so that nothing after it has to ask again.
//
//	Project   the folder: its targets and its pipelines, sorted by name
//	Target    a database to write to, as twice.yml describes it
//	header    the YAML in the block comment at the start of a pipeline's file
//	decoder   YAML to structs, by the tags from which the JSON Schemas are made as well
//
// Link finds out which pipeline reads which; Select and Order answer "which pipelines, and in what order".
package project
