/* @twice
# incident: surrogate keys made by uuid(), which the docs of warehouse tools warn of: after a re-run every reference
#   to the old keys points nowhere.
# law: repeat
description: Orders under a key of their own
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
  - {rule: volatile-function, reason: "every row needs a key"}
*/
select uuid() as order_key, order_id, placed_at
from orders
