/* @twice
# incident: any_value() to get a column past GROUP BY, for a column that is not the same in the whole group.
# law: shuffle
description: An owner for each ticket
write: overwrite
inputs:
  tickets: {files: "landing/tickets/tickets.csv", columns: {ticket: bigint, owner: varchar, state: varchar, changed_at: timestamp, hours: double}}
allow:
  - {rule: order-dependent-aggregate, reason: "a ticket has one owner"}
*/
select ticket, any_value(owner) as owner
from tickets
group by ticket
