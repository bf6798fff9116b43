/* @twice
# incident: DISTINCT ON with an ORDER BY that ends at the key: the database's manual says that the row which is kept
#   is unpredictable then.
# law: shuffle
description: A row for each ticket
write: overwrite
inputs:
  tickets: {files: "landing/tickets/tickets.csv", columns: {ticket: bigint, owner: varchar, state: varchar, changed_at: timestamp, hours: double}}
allow:
  - {rule: distinct-on-without-order, reason: "any row will do"}
*/
select distinct on (ticket) ticket, owner, state
from tickets
order by ticket
