/* @twice
# incident: row_number() as a surrogate key. The key of a row is its place in the file, so a delivery in another order
#   renames everything.
# law: shuffle
description: Tickets under numbers
write: overwrite
inputs:
  tickets: {files: "landing/tickets/tickets.csv", columns: {ticket: bigint, owner: varchar, state: varchar, changed_at: timestamp, hours: double}}
allow:
  - {rule: ranking-ties, reason: "any number will do"}
*/
select row_number() over () as id, ticket, state
from tickets
