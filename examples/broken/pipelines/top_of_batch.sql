/* @twice
# incident: the best-seller of the day, by a row_number() that forgot to say which day: right for one day at a time,
#   one row for the whole of a catch-up run.
# law: split
description: The largest order of the day
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
  - {rule: ranking-ties, reason: "order_id decides"}
*/
select order_id, amount, placed_at
from orders
qualify row_number() over (order by amount desc, order_id) = 1
