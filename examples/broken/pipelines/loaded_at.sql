/* @twice
# incident: the commonest audit column there is. A nightly job was re-run, every row got a new loaded_at, and
#   everything downstream that compares rows or loads by it took the whole table for new.
# law: repeat
description: Orders with the moment of loading
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
  - {rule: volatile-function, reason: "loaded_at is for people"}
*/
select order_id, amount, placed_at, now() as loaded_at
from orders
