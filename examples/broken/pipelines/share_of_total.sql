/* @twice
# incident: shares of 'the' total, by an aggregate over everything that the statement reads: per day in the nightly
#   run, per batch in a backfill.
# law: split
description: Each order's share of the day
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
*/
select order_id, placed_at, cast(round(100 * amount / sum(amount) over (), 2) as decimal(9,2)) as percent
from orders
