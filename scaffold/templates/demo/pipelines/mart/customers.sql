/* @twice
description: One row a customer, for the people who look at it all day

# publish: the new table is built beside the old one, the checks below look at it, and only then it takes the old one's
# place. Readers see the old rows or the new rows. "twice rollback mart.customers" brings the previous version back.
write: publish
window: none

columns:
  - {name: customer_id, type: bigint, not_null: true}
  - {name: orders, type: bigint, not_null: true}
  - {name: revenue, type: "decimal(18,2)", not_null: true}
  - {name: first_ordered_at, type: timestamp, not_null: true}
  - {name: last_ordered_at, type: timestamp, not_null: true}
checks:
  - unique: [customer_id]
  - relationships: {column: customer_id, to: orders.customer_id}
  - {sql: "select * from {rows} where revenue < 0"}
*/
select
    customer_id,
    count(*) as orders,
    cast(sum(amount) as decimal(18,2)) as revenue,
    min(ordered_at) as first_ordered_at,
    max(ordered_at) as last_ordered_at
from orders
where status <> 'cancelled'
group by customer_id
