/* @twice
# incident: arg_max(state, time) for 'the latest state', with two states at the same time.
# law: shuffle
description: The latest state of each ticket
write: overwrite
inputs:
  tickets: {files: "landing/tickets/tickets.csv", columns: {ticket: bigint, owner: varchar, state: varchar, changed_at: timestamp, hours: double}}
allow:
  - {rule: order-dependent-aggregate, reason: "the time decides"}
*/
select ticket, arg_max(state, changed_at) as state
from tickets
group by ticket
