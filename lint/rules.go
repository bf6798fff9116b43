package lint

// Severity says whether a finding stops a run.
type Severity string

// The severities.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Rule is one thing that lint looks for.
type Rule struct {
	Name     string
	Severity Severity
	About    string // what it finds and why that matters
	Bad      string // an example that breaks it
	Cure     string
}

// Rules lists every rule. A name in it is part of the contract: waivers name it.
var Rules = []Rule{
	{"volatile-function", Error,
		"A function whose result depends on the clock, on chance or on a counter: a re-run would give other rows.",
		"select id, now() as loaded_at from orders",
		"use $start or $end for the time, and a hash of the key for an identifier"},
	{"session-lookup", Error,
		"A setting, variable, user or place of the session: another person or machine would get other rows.",
		"select id, current_user as loaded_by from orders",
		"write the value into the SQL, or read it from a declared input"},
	{"limit-without-order", Error,
		"LIMIT, OFFSET or FETCH without an ORDER BY that decides every row: which rows remain is left to chance.",
		"select id from orders order by amount limit 10",
		"add columns to ORDER BY until it is unique: the unique_key, or the GROUP BY columns"},
	{"distinct-on-without-order", Error,
		"DISTINCT ON keeps the first row of each group, and ORDER BY does not decide which one that is.",
		"select distinct on (customer) customer, status from orders order by customer",
		"add columns to ORDER BY until it is unique within the DISTINCT ON columns"},
	{"ranking-ties", Error,
		"row_number, ntile, lag, lead, first_value and frames of ROWS number rows that tie in ORDER BY in any order. " +
			"rank and dense_rank do not.",
		"select id, row_number() over (partition by customer order by placed_at) as n from orders",
		"add columns to the window's ORDER BY until it is unique, such as the unique_key"},
	{"asof-ties", Error,
		"ASOF JOIN takes the nearest row, and any of several that are equally near.",
		"select o.id, i.price from orders o asof join items i on o.id = i.id and o.placed_at >= i.since",
		"join a subquery that is unique by the compared columns: group by them, or read a pipeline that is"},
	{"order-dependent-aggregate", Error,
		"first, any_value, list, string_agg, mode, arg_max and their like depend on the order in which rows arrive.",
		"select customer, list(status) as statuses from orders group by customer",
		"order inside the parentheses, list(x order by x), or use min or max; arg_max(x, (time, x)) breaks ties"},
	{"aggregate-ties", Warning,
		"ORDER BY inside an aggregate neither names the value nor is unique: values that tie may change places.",
		"select customer, list(status order by placed_at) as statuses from orders group by customer",
		"add the value itself to the ORDER BY: list(x order by time, x)"},
	{"float-sum", Warning,
		"A sum of DOUBLE or FLOAT depends on the order of the additions in its last digits.",
		"select sum(amount::double) as amount from orders",
		"sum DECIMAL or an integer number of cents, and cast the result: sum(x::decimal(18,4))::double"},
	{"sampling", Error,
		"A sample, and a join by position, choose rows by chance, even with a seed where there are several threads.",
		"select id from orders using sample 10%",
		"sample by a hash of the key: where hash(id) % 10 = 0; join by a key"},
	{"undeclared-relation", Error,
		"A relation that is neither an input, nor a pipeline's table: its state is in no manifest.",
		"select id from raw_orders",
		"declare it under inputs:, or read a pipeline's table"},
	{"external-read", Error,
		"A file, another database or the catalogue is read by the SQL itself: its content is in no manifest.",
		"select id from read_csv('orders.csv')",
		"declare it under inputs: and read it by its name there"},
	{"self-reference", Error,
		"The SELECT reads the table that it fills: the second run reads what the first one wrote.",
		"select id from daily",
		"read the upstream data again, or keep the earlier state in a pipeline of its own"},
	{"unused-window", Warning,
		"Neither the SQL nor an input's path names the window, so every window computes all of the data.",
		"select day, id from items",
		"filter by $start and $end, use {start:%Y-%m-%d} in an input's path, or set window: none"},
	{"merge-order", Warning,
		"A merge by windows without version: an old window that is re-run late replaces newer values.",
		"select id, status from items",
		"name a column that grows with each change in version:, or set when_missing: delete for full snapshots"},
	{"batch-dependent", Error,
		"A stream's SELECT that puts records together: it sees those of one batch, and where a batch is cut is chance. " +
			"Records that are sent again need no SQL: the merge tells them by the unique_key.",
		"select customer, max(id) as id from orders group by customer",
		"give a row for each record, and aggregate in a pipeline that reads the stream's table"},
	{"unknown-rule", Error,
		"allow: names a rule that does not exist, so it waives nothing.",
		"select id from items",
		"write the name of a rule"},
	{"unused-waiver", Warning,
		"allow: names a rule that finds nothing here any more.",
		"select id from items",
		"remove the entry from allow:"},
}

func rule(name string) Rule {
	for _, r := range Rules {
		if r.Name == name {
			return r
		}
	}
	panic("lint: no rule " + name)
}
