/* @twice
# incident: first_seen without its own table: the whole history is the input of every window, so a late row makes
#   every window stale.
# law: none, it holds
description: The first day of each customer
write: overwrite
allow_empty: true
time_column: first_day
window: day
begin: 2024-05-01
end: 2024-05-04
inputs:
  orders:
    files: "landing/orders/*.csv"
    columns: {order_id: bigint, customer_id: bigint, status: varchar, amount: "decimal(9,2)", placed_at: timestamp}
*/
select customer_id, min(cast(placed_at as date)) as first_day
from orders
group by customer_id
having min(cast(placed_at as date)) >= cast($start as date) and min(cast(placed_at as date)) < cast($end as date)
