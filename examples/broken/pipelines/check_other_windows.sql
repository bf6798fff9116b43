/* @twice
# incident: a volume check against yesterday's rows of the same table. It let the nightly run pass and stopped every
#   backfill and every restart from scratch, which have no yesterday.
# law: order
description: Orders, if there are about as many as the day before
write: overwrite
time_column: placed_at
window: day
begin: 2024-05-01
end: 2024-05-04
inputs:
  orders:
    files: "landing/orders/{start:%Y-%m-%d}.csv"
    columns: {order_id: bigint, customer_id: bigint, status: varchar, amount: "decimal(9,2)", placed_at: timestamp}
checks:
  - sql: >-
      select 'no rows of the day before' as problem from (select min(cast(placed_at as date)) as day from {rows})
      where day > date '2024-05-01'
      and not exists (select 1 from check_other_windows c where cast(c.placed_at as date) = day - 1)
*/
select order_id, amount, placed_at
from orders
