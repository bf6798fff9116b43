/* @twice
# incident: a count over all rows that came together: it depends on how fast the consumer was that day, and a replay
#   gave other counts.
# law: split
description: Payments, with how many came at once
write: merge
unique_key: [event_id]
allow:
  - {rule: batch-dependent, reason: "batches are always of one size"}
inputs:
  feed:
    log: {path: streams/payments}
    format: json
    columns: {event_id: varchar, account: varchar, cents: bigint, happened_at: timestamp}
*/
select event_id, account, cents, count(*) over () as came_together
from feed
