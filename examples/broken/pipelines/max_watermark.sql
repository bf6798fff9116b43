/* @twice
# incident: 'where time > (select max(time) from this table)', the idiom of many incremental models. What comes later
#   than a newer row is never loaded.
# law: late
description: Orders, each loaded once
write: merge
unique_key: [order_id]
inputs:
  orders:
    files: "landing/orders/*.csv"
    columns: {order_id: bigint, customer_id: bigint, status: varchar, amount: "decimal(9,2)", placed_at: timestamp}
allow:
  - {rule: self-reference, reason: "the watermark"}
*/
select order_id, amount, placed_at
from orders
where placed_at > (select coalesce(max(placed_at), timestamp '2000-01-01') from max_watermark)
