/* @twice
# incident: 'keep one row a key' where the key may be NULL. All rows without a key are one partition, so all of them
#   but one disappear, and which one stays is chance.
# law: shuffle
description: The first page of each visitor
write: overwrite
inputs:
  visits: {files: "landing/visits/visits.csv", columns: {visitor: varchar, page: varchar, seen_at: timestamp}}
allow:
  - {rule: ranking-ties, reason: "visitor and seen_at are unique"}
*/
select visitor, page
from visits
qualify row_number() over (partition by visitor order by seen_at) = 1
