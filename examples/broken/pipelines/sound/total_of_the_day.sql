/* @twice
# incident: window functions in batches, like running_total, that are partitioned by the window.
# law: none, it holds
description: Running total of the day
write: overwrite
time_column: placed_at
window: day
begin: 2024-05-01
end: 2024-05-04
batch_size: 3
inputs:
  orders:
    files: "landing/orders/{start:%Y-%m-%d}.csv"
    columns: {order_id: bigint, customer_id: bigint, status: varchar, amount: "decimal(9,2)", placed_at: timestamp}
*/
select order_id, placed_at,
    cast(sum(amount) over (partition by cast(placed_at as date) order by placed_at, order_id) as decimal(18,2)) as total
from orders
