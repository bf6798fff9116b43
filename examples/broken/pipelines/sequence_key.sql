/* @twice
# incident: surrogate keys out of a sequence. Sequences are not rolled back and do not start again, as the databases'
#   own manuals say, so a retry numbers the same rows anew.
# law: repeat
description: Orders under numbers of a sequence
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
  - {rule: volatile-function, reason: "numbers come from the warehouse"}
*/
select nextval('order_keys') as order_key, order_id, placed_at
from orders
