/* @twice
# incident: an array column collected without ORDER BY. Parallel scans deliver rows in another order, and a diff of
#   two exports showed thousands of changes that were none.
# law: shuffle
description: The states of each ticket
write: overwrite
inputs:
  tickets: {files: "landing/tickets/tickets.csv", columns: {ticket: bigint, owner: varchar, state: varchar, changed_at: timestamp, hours: double}}
allow:
  - {rule: order-dependent-aggregate, reason: "people read it"}
*/
select ticket, list(state) as states
from tickets
group by ticket
