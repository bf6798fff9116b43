package examples_test

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// TestJaffleShop makes the two models of the raw tables, equal to the expected ones in every cell.
func TestJaffleShop(t *testing.T) { onTargets(t, jaffleShop) }

func jaffleShop(t *testing.T, target string) {
	data := filepath.Join(feeds, "D_jaffle_shop")
	e := newExample(t, "jaffle_shop", data, target)
	e.twice(0, "run")
	for _, model := range []struct{ name, query string }{
		{"orders", `select cast(order_id as varchar), cast(customer_id as varchar), cast(order_date as varchar), status,
			cast(credit_card_amount as varchar), cast(coupon_amount as varchar), cast(bank_transfer_amount as varchar),
			cast(gift_card_amount as varchar), cast(amount as varchar) from orders order by orders.order_id`},
		{"customers", `select cast(customer_id as varchar), first_name, last_name, cast(first_order as varchar),
			cast(most_recent_order as varchar), cast(number_of_orders as varchar), cast(customer_lifetime_value as varchar)
			from customers order by customers.customer_id`},
	} {
		got, want := e.query(model.query), readCSV(t, filepath.Join(data, "expected", model.name+".csv"))[1:]
		if !slices.EqualFunc(got, want, slices.Equal) {
			t.Errorf("%s differs from the expected model:\n%v\n%v", model.name, got, want)
		}
		t.Logf("%s: %d rows, all as expected; %s", model.name, len(got), e.fingerprint(model.name))
	}
	figures := expected[struct {
		Sum int64 `json:"sum_payments_cents"`
	}](t, "D_jaffle_shop")
	total := e.query("select cast(cast(sum(amount) * 100 as bigint) as varchar) from orders")[0][0]
	if want := strconv.FormatInt(figures.Sum, 10); total != want {
		t.Errorf("the orders sum up to %s cents, expected %s", total, want)
	}
	if again := e.twice(0, "run"); len(again.windows) != 5 || len(again.of("orders", "unchanged")) != 1 {
		t.Errorf("the second run was not up to date: %+v", again)
	}
}

func readCSV(t *testing.T, path string) [][]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}
