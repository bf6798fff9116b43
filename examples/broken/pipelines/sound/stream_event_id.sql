/* @twice
# incident: records that were sent twice, with an id that their producer gave them.
# law: none, it holds
description: Payments once each
write: merge
unique_key: [event_id]
inputs:
  feed:
    log: {path: streams/payments}
    format: json
    columns: {event_id: varchar, account: varchar, cents: bigint, happened_at: timestamp}
*/
select event_id, account, cents, happened_at
from feed
