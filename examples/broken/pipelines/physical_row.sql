/* @twice
# incident: the physical row number (ctid, rowid) as a key. The databases' manuals say that it changes when a table is
#   rewritten, which a vacuum or a full refresh does.
# law: shuffle
description: Orders by where they happen to be stored
write: overwrite
allow:
  - {rule: volatile-function, reason: "rows stay where they are"}
*/
select r.rowid as order_key, r.order_id
from raw.orders r
