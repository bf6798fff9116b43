/* @twice
# incident: arrays and texts collected from rows in any order, and ordered inside the aggregate.
# law: none, it holds
description: The states and owners of each ticket
write: overwrite
inputs:
  tickets: {files: "landing/tickets/tickets.csv", columns: {ticket: bigint, owner: varchar, state: varchar, changed_at: timestamp, hours: double}}
*/
select ticket, list(state order by state) as states, string_agg(distinct owner, '+' order by owner) as owners
from tickets
group by ticket
