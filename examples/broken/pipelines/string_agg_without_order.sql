/* @twice
# incident: string_agg without ORDER BY as part of a key: the same set of tags became two keys.
# law: shuffle
description: The owners of each ticket
write: overwrite
inputs:
  tickets: {files: "landing/tickets/tickets.csv", columns: {ticket: bigint, owner: varchar, state: varchar, changed_at: timestamp, hours: double}}
allow:
  - {rule: order-dependent-aggregate, reason: "people read it"}
*/
select ticket, string_agg(distinct owner, '+') as owners
from tickets
group by ticket
