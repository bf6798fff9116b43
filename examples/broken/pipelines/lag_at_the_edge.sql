/* @twice
# incident: lag() for 'the order before': the first row of each run has none. Known from every guide to incremental
#   models with window functions.
# law: split
description: Orders with the amount of the customer's order before
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
allow:
  - {rule: ranking-ties, reason: "a customer orders one thing at a time"}
*/
select order_id, placed_at, lag(amount) over (partition by customer_id order by placed_at) as amount_before
from orders
