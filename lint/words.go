package lint

// What the engines' catalogues do not say of a function stands here, by lower-case name.

func set(names ...string) map[string]bool {
	m := map[string]bool{}
	for _, n := range names {
		m[n] = true
	}
	return m
}

// session are functions that look at who runs, where, and with which settings. They would be volatile as well.
var session = set(
	"current_user", "session_user", "user", "current_role", "system_user", // who
	"current_database", "current_catalog", "current_schema", "current_schemas", "in_search_path", // where
	"current_setting", "getvariable", "getenv", "version", "pg_conf_load_time", // with what
	"current_query", "current_query_id", "current_connection_id", "pg_backend_pid", "pg_my_temp_schema",
	"inet_client_addr", "inet_client_port", "inet_server_addr", "inet_server_port", "pg_postmaster_start_time",
	"has_table_privilege", "has_schema_privilege", "has_column_privilege", "has_database_privilege",
)

// ranking are window functions that tell rows apart although they tie in ORDER BY. rank, dense_rank, percent_rank and
// cume_dist treat them alike.
var ranking = set("row_number", "ntile", "lag", "lead", "first_value", "last_value", "nth_value", "first", "last", "fill")

// value are the ranking functions whose result is a value of one row: it is decided if ORDER BY names it.
var value = set("first_value", "last_value", "nth_value", "first", "last")

// ordered are aggregates whose result depends on the order of their input.
var ordered = set(
	"first", "last", "any_value", "arbitrary", "list", "array_agg", "string_agg", "group_concat", "listagg",
	"json_agg", "jsonb_agg", "json_object_agg", "jsonb_object_agg", "json_group_array", "json_group_object",
	"json_arrayagg", "json_objectagg", "xmlagg", "array_concat_agg", "map_from_entries",
)

// extreme are aggregates that give the value of the row in which another value is smallest or largest.
var extreme = set(
	"arg_min", "arg_max", "argmin", "argmax", "min_by", "max_by", "arg_min_null", "arg_max_null",
	"arg_min_nulls_last", "arg_max_nulls_last",
)

// arbitrary are aggregates that break ties or place their estimates by the order of arrival, and take no ORDER BY that
// would help.
var arbitrary = set("mode", "approx_quantile", "approx_top_k", "reservoir_quantile")

// sorting are functions that make the order of a list's items irrelevant.
var sorting = set(
	"unnest", "list_sort", "array_sort", "list_reverse_sort", "array_reverse_sort", "list_grade_up", "len", "length",
	"array_length", "cardinality", "list_contains", "array_contains", "list_has", "list_unique", "array_unique",
	"list_min", "list_max", "list_bool_or", "list_bool_and",
)

// adding are aggregates that add numbers up.
var adding = set("sum", "avg", "mean", "fsum", "favg", "sumkahan", "kahan_sum", "product")

// floating are aggregates that add floating-point numbers up whatever they are given.
var floating = set(
	"stddev", "stddev_pop", "stddev_samp", "variance", "var_pop", "var_samp", "covar_pop", "covar_samp", "corr",
	"regr_slope", "regr_intercept", "regr_r2", "regr_sxx", "regr_sxy", "regr_syy", "skewness", "kurtosis",
	"kurtosis_pop", "sem", "entropy",
)

// carrying are operators and functions that give a floating-point number when they are given one.
var carrying = set("+", "-", "*", "coalesce", "abs", "round", "greatest", "least", "ifnull", "nullif", "sum", "min", "max",
	"avg", "pow", "power", "sqrt", "ln", "exp")

// pure are table functions that depend on their arguments alone.
var pure = set(
	"range", "generate_series", "unnest", "repeat", "repeat_row", "generate_subscripts", "json_each", "json_tree",
	"json_array_elements", "json_array_elements_text", "jsonb_array_elements", "jsonb_array_elements_text",
	"json_object_keys", "jsonb_object_keys", "jsonb_each", "jsonb_each_text", "json_each_text", "json_to_recordset",
	"jsonb_to_recordset", "json_to_record", "jsonb_to_record", "json_table", "regexp_matches",
	"regexp_split_to_table", "string_to_table", "xmltable", "histogram_values",
)

// expanding are functions that give several rows when they stand among the output columns.
var expanding = set(
	"unnest", "generate_series", "generate_subscripts", "regexp_matches", "regexp_split_to_table", "string_to_table",
	"json_array_elements", "json_array_elements_text", "jsonb_array_elements", "jsonb_array_elements_text",
	"json_object_keys", "jsonb_object_keys", "jsonb_each", "json_each",
)

// tuples are functions that put values side by side: they tell apart what the values tell apart.
var tuples = set("row", "struct_pack", "list_value", "array_value")

// floats are the names of floating-point types.
var floats = set("double", "float", "real", "float4", "float8", "double precision")
