/* @twice
# incident: a top list with LIMIT whose last place is shared: the list of winners changed between two runs over the
#   same data.
# law: shuffle
description: The two latest changes
write: overwrite
inputs:
  tickets: {files: "landing/tickets/tickets.csv", columns: {ticket: bigint, owner: varchar, state: varchar, changed_at: timestamp, hours: double}}
allow:
  - {rule: limit-without-order, reason: "the time decides"}
*/
select ticket, owner, state
from tickets
order by changed_at desc
limit 1
