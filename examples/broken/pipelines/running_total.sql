/* @twice
# incident: a running total over the rows of the run. It starts again at each run's edge, so a catch-up over three
#   days gives other totals than three nightly runs.
# law: split
description: Running total of the orders
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
select order_id, placed_at, cast(sum(amount) over (order by placed_at, order_id) as decimal(18,2)) as total
from orders
