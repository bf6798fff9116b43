/* @twice
# incident: 'insert only what is not there yet', from the table itself. When an old day is loaded after a newer one, a
#   visitor's first day is the newer one for good.
# law: order
description: The first day of each customer
write: overwrite
allow_empty: true
time_column: first_day
window: day
begin: 2024-05-01
end: 2024-05-04
inputs:
  orders:
    files: "landing/orders/{start:%Y-%m-%d}.csv"
    columns: {order_id: bigint, customer_id: bigint, status: varchar, amount: "decimal(9,2)", placed_at: timestamp}
allow:
  - {rule: self-reference, reason: "it only looks at other windows"}
*/
select distinct customer_id, cast(placed_at as date) as first_day
from orders
where customer_id not in (select customer_id from first_seen where first_day < cast($start as date) or first_day >= cast($end as date))
