/* @twice
# incident: the fear that a full snapshot of last week, run again, removes this week's rows. It does where nothing
#   knows which snapshot is newer; here an older one changes nothing.
# law: none, it holds
description: The customers of the newest snapshot
write: merge
unique_key: [customer_id]
when_missing: delete
window: day
begin: 2024-05-01
end: 2024-05-04
inputs:
  snapshot: {files: "landing/snapshots/{start:%Y-%m-%d}.csv", columns: {customer_id: bigint, name: varchar}}
*/
select customer_id, name
from snapshot
