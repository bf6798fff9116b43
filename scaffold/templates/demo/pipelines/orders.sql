/* @twice
description: Every order once, as its newest delivery tells it

# merge: a row is matched on the key; a known order is updated, an unknown one inserted. Because of the version a row
# only ever replaces an older one, so that days may run in any order, and again: a correction that comes before its late
# order wins, and an old day that is redone undoes nothing.
write: merge
unique_key: [order_id]
version: updated_at
window: day                     # days of delivery; an order of last week may arrive today
begin: 2026-01-01
end: 2026-03-02

columns:
  - {name: order_id, type: bigint, not_null: true}
  - {name: customer_id, type: bigint, not_null: true}
  - {name: ordered_at, type: timestamp, not_null: true}
  - {name: updated_at, type: timestamp, not_null: true}
  - {name: status, type: varchar, not_null: true}
  - {name: amount, type: "decimal(12,2)", not_null: true}
  - {name: channel, type: varchar}
checks:
  - accepted_values: {column: status, values: [placed, shipped, cancelled]}
  - {sql: "select * from {rows} where amount < 0"}
*/
-- Reading staging.order_events by its name makes it the upstream: its day runs first, and redoing it redoes this one.
with delivered as (
    -- The day of delivery is left out: the same line, delivered on two days, is the same row.
    select distinct order_id, customer_id, ordered_at, updated_at, status, amount, channel
    from staging.order_events
    where delivered_on >= $start and delivered_on < $end
),
newest as (
    select order_id, max(updated_at) as updated_at
    from delivered
    group by order_id
)
-- If one file told two different things of an order at the same instant, both rows would come through and the merge
-- would stop and show them. Picking one by row_number() would hide it.
select
    delivered.order_id, delivered.customer_id, delivered.ordered_at, delivered.updated_at,
    delivered.status, delivered.amount, delivered.channel
from delivered
join newest on newest.order_id = delivered.order_id and newest.updated_at = delivered.updated_at
