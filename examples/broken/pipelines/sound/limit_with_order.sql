/* @twice
# incident: a top list whose ORDER BY names every column that it shows.
# law: none, it holds
description: The two latest changes
write: overwrite
inputs:
  tickets: {files: "landing/tickets/tickets.csv", columns: {ticket: bigint, owner: varchar, state: varchar, changed_at: timestamp, hours: double}}
*/
select ticket, owner, state, changed_at
from tickets
order by changed_at desc, ticket, owner, state
limit 2
