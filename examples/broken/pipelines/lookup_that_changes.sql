/* @twice
# incident: a look-up table that somebody keeps by hand. Last month's invoices were re-run in order to mend one, and
#   all of them came out at this month's rates.
# law: replay
description: Orders in euros
write: overwrite
time_column: placed_at
window: day
begin: 2024-05-01
end: 2024-05-04
inputs:
  orders:
    files: "landing/orders/{start:%Y-%m-%d}.csv"
    columns: {order_id: bigint, customer_id: bigint, status: varchar, amount: "decimal(9,2)", placed_at: timestamp}
allow:
  - {rule: undeclared-relation, reason: "rates hardly ever change"}
*/
select o.order_id, o.placed_at, cast(o.amount * r.rate as decimal(18,2)) as euros
from orders o
left join rates r on r.currency = 'USD'
