/* @twice
# incident: rows without a key, which other tools' MERGE adds again with every run, because NULL equals nothing. The
#   guard refuses them.
# law: none, it holds
description: One row a customer, and no row without one
write: merge
unique_key: [customer_id]
inputs:
  profiles: {files: "landing/profiles/profiles.csv", columns: {customer_id: bigint, name: varchar, updated_at: timestamp}}
*/
select customer_id, name, updated_at
from profiles
