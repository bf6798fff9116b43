/* @twice
# incident: first() where a key was unique until the source merged two systems.
# law: hostile
description: The name of each customer
write: merge
unique_key: [customer_id]
inputs:
  profiles: {files: "landing/profiles/profiles.csv", columns: {customer_id: bigint, name: varchar, updated_at: timestamp}}
allow:
  - {rule: order-dependent-aggregate, reason: "a customer has one name"}
*/
select customer_id, first(name) as name
from profiles
group by customer_id
