/* @twice
# incident: a cursor on a column of dates with > : rows of the last day that come after the cursor has moved to it are
#   skipped; with >= they would be counted twice.
# law: late
description: Orders, by the day up to which they were loaded
write: merge
unique_key: [order_id]
inputs:
  orders:
    files: "landing/orders/*.csv"
    columns: {order_id: bigint, customer_id: bigint, status: varchar, amount: "decimal(9,2)", placed_at: timestamp}
allow:
  - {rule: self-reference, reason: "the cursor"}
*/
select order_id, amount, cast(placed_at as date) as day
from orders
where cast(placed_at as date) > (select coalesce(max(day), date '2000-01-01') from watermark_at_the_edge)
