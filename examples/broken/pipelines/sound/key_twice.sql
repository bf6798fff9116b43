/* @twice
# incident: two rows of one key in the source of a MERGE: some engines take either, others fail in the middle. The
#   guard refuses them before anything is written.
# law: none, it holds
description: Customers with a version
write: merge
unique_key: [customer_id]
version: updated_at
inputs:
  profiles: {files: "landing/profiles/profiles.csv", columns: {customer_id: bigint, name: varchar, updated_at: timestamp}}
*/
select distinct customer_id, name, updated_at
from profiles
