/* @twice
# incident: the look-up of lookup_that_changes, filled by a pipeline. Its rows are in the manifest: when they change,
#   every day is stale and is done again.
# law: none, it holds
description: Orders with the customer's name
write: overwrite
time_column: placed_at
window: day
begin: 2024-05-01
end: 2024-05-04
inputs:
  orders:
    files: "landing/orders/{start:%Y-%m-%d}.csv"
    columns: {order_id: bigint, customer_id: bigint, status: varchar, amount: "decimal(9,2)", placed_at: timestamp}
*/
select o.order_id, o.placed_at, n.name
from orders o
left join sound.key_twice n on n.customer_id = o.customer_id
