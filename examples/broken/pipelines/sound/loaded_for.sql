/* @twice
# incident: a loading time for people that is the window's and not the clock's.
# law: none, it holds
description: Orders with the day that they were loaded for
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
select order_id, amount, placed_at, cast($end as timestamp) as loaded_for
from orders
