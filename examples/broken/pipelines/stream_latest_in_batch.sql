/* @twice
# incident: the newest state of an order, chosen among the records of a batch: which states there are to choose from
#   depends on the batch, and the older one that comes alone later has the same key.
# law: split
description: Orders, as the newest record of a batch tells them
write: merge
unique_key: [event_id]
allow:
  - {rule: batch-dependent, reason: "all records of an order come together"}
inputs:
  feed:
    log: {path: streams/orders}
    format: json
    columns: {event_id: varchar, status: varchar, revision: integer}
*/
select event_id, max(revision) as revision, count(*) as records
from feed
group by event_id
