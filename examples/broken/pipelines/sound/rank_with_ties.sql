/* @twice
# incident: rank() instead of row_number(): rows that tie have the same number, in any order.
# law: none, it holds
description: Tickets by the time of their changes
write: overwrite
inputs:
  tickets: {files: "landing/tickets/tickets.csv", columns: {ticket: bigint, owner: varchar, state: varchar, changed_at: timestamp, hours: double}}
*/
select ticket, owner, state, rank() over (order by changed_at) as place
from tickets
