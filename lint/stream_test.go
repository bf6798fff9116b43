package lint_test

import (
	"testing"

	"github.com/twice-data/twice"
)

// streaming makes a pipeline a stream of the input of that name.
func streaming(input string) func(*twice.Pipeline) {
	return func(pl *twice.Pipeline) {
		pl.Write, pl.UniqueKey, pl.Calendar = twice.Merge, []string{"id"}, twice.Calendar{Grain: twice.None}
		pl.Inputs = []twice.Input{{Name: input, Kafka: &twice.KafkaInput{Records: twice.Records{Topic: input}}}}
	}
}

func TestStreams(t *testing.T) {
	set := streaming("items")
	run(t, []example{
		{sql: "select id from items where id > 3", set: set},
		{sql: "select distinct id from items", set: set},
		{sql: "select id from items\nunion all select id from items", set: set},
		{sql: "select id, count(*) as n\nfrom items\ngroup by id", want: "1 batch-dependent", set: set},
		{sql: "select id from (\nselect max(id) as id from items) q", want: "2 batch-dependent", set: set},
		{sql: "select id,\nrow_number() over (order by id) as n from items", want: "2 batch-dependent", set: set},
		{sql: "select a.id from items a join items b on a.id = b.id", want: "1 batch-dependent", set: set},
		{sql: "select id, (select sum(x) from unnest([1, 2]) as u(x)) as n from items", set: set},
	})
}
