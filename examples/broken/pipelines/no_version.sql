/* @twice
# incident: a backfill of an old day into a table of current states. It put last month's addresses over this month's:
#   merge takes whatever is written last.
# law: order
description: The current address of each customer
write: merge
unique_key: [customer_id]
window: day
begin: 2024-05-01
end: 2024-05-04
inputs:
  changes: {files: "landing/addresses/{start:%Y-%m-%d}.csv", columns: {customer_id: bigint, city: varchar, changed_at: timestamp}}
allow:
  - {rule: merge-order, reason: "days run in order"}
*/
select customer_id, city
from changes
