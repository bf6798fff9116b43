/* @twice
# incident: the record's offset as its key: a producer that got no answer sent again, and the second copy had a key of
#   its own.
# law: duplicate
description: Payments by offset
write: merge
unique_key: [part, place]
inputs:
  feed:
    log: {path: streams/payments}
    format: json
    columns: {event_id: varchar, account: varchar, cents: bigint, happened_at: timestamp}
*/
select _partition as part, _offset as place, event_id, account, cents
from feed
