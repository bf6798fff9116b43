/* @twice
# incident: records that change, in any order, with a version that decides.
# law: none, it holds
description: Orders as their last revision tells them
write: merge
unique_key: [event_id]
version: revision
inputs:
  feed:
    log: {path: streams/orders}
    format: json
    columns: {event_id: varchar, status: varchar, revision: integer}
*/
select event_id, revision, status
from feed
