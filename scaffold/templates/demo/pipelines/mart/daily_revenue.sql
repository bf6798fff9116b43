/* @twice
description: Orders and revenue by the day of the order and the channel

# overwrite without a window replaces the whole table. A late order or a correction may change any day of the past, so
# windows of days would leave some of them as they were; the table is small, and it is redone only if orders changed.
write: overwrite
window: none

columns:
  - {name: ordered_on, type: date, not_null: true}
  - {name: channel, type: varchar, not_null: true}
  - {name: orders, type: bigint, not_null: true}
  - {name: cancelled, type: bigint, not_null: true}
  - {name: revenue, type: "decimal(18,2)", not_null: true}
checks:
  - unique: [ordered_on, channel]
  - {sql: "select * from {rows} where cancelled > orders"}
  - {sql: "select * from {rows} where revenue > 50000", on_fail: warn}    # warn: is shown, stops nothing
*/
-- Amounts are decimals: sums of floating-point numbers differ with the order in which they are added up.
select
    cast(ordered_at as date) as ordered_on,
    coalesce(channel, 'unknown') as channel,
    count(*) as orders,
    count(*) filter (where status = 'cancelled') as cancelled,
    cast(sum(case when status = 'cancelled' then 0 else amount end) as decimal(18,2)) as revenue
from orders
group by cast(ordered_at as date), coalesce(channel, 'unknown')
