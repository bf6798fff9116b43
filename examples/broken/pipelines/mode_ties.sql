/* @twice
# incident: the commonest value by mode(): with as many of one as of the other the first one that arrives wins.
# law: shuffle
description: The commonest state
write: overwrite
inputs:
  tickets: {files: "landing/tickets/tickets.csv", columns: {ticket: bigint, owner: varchar, state: varchar, changed_at: timestamp, hours: double}}
allow:
  - {rule: order-dependent-aggregate, reason: "there is one that is commonest"}
*/
select mode(state) as state, count(*) as changes
from tickets
