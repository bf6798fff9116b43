/* @twice
# incident: the same addresses as in no_version, in any order: the version decides, not the last one to write.
# law: none, it holds
description: The current address of each customer
write: merge
unique_key: [customer_id]
version: changed_at
window: day
begin: 2024-05-01
end: 2024-05-04
inputs:
  changes: {files: "landing/addresses/{start:%Y-%m-%d}.csv", columns: {customer_id: bigint, city: varchar, changed_at: timestamp}}
*/
select customer_id, city, changed_at
from changes
