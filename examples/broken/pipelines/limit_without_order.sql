/* @twice
# incident: LIMIT without ORDER BY, put there to keep a test small, went to production. SQL promises nothing about
#   which rows it keeps.
# law: shuffle
description: A few tickets
write: overwrite
inputs:
  tickets: {files: "landing/tickets/tickets.csv", columns: {ticket: bigint, owner: varchar, state: varchar, changed_at: timestamp, hours: double}}
allow:
  - {rule: limit-without-order, reason: "a few will do"}
*/
select ticket, owner, state
from tickets
limit 2
