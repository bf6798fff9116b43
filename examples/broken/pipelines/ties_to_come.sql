/* @twice
# incident: a deduplication that was right for all the data that there was. The first double delivery with another
#   name in it brought a tie, and with it a table that changed from run to run.
# law: hostile
description: One row a customer
write: overwrite
inputs:
  profiles: {files: "landing/profiles/profiles.csv", columns: {customer_id: bigint, name: varchar, updated_at: timestamp}}
allow:
  - {rule: ranking-ties, reason: "customer_id and updated_at are unique"}
*/
select customer_id, name
from profiles
qualify row_number() over (partition by customer_id order by updated_at desc) = 1
