/* @twice
# incident: a lookback of one day for late rows, chosen when rows came late by hours. A phone that was offline over
#   the weekend delivered on Monday, and its rows were never counted.
# law: late
description: Orders, and those that come up to a day late
write: merge
unique_key: [order_id]
inputs:
  orders:
    files: "landing/orders/*.csv"
    columns: {order_id: bigint, customer_id: bigint, status: varchar, amount: "decimal(9,2)", placed_at: timestamp}
allow:
  - {rule: self-reference, reason: "the watermark, less a day"}
*/
select order_id, amount, placed_at
from orders
where placed_at >= (select coalesce(max(placed_at) - interval 1 day, timestamp '2000-01-01') from lookback_too_short)
