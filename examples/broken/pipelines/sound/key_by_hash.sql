/* @twice
# incident: surrogate keys that come out the same each time: a hash of the natural key in place of uuid().
# law: none, it holds
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
*/
select md5(cast(order_id as varchar)) as order_key, order_id, placed_at
from orders
