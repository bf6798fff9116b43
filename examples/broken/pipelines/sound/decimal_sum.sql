/* @twice
# incident: the hours of float_sum, summed as decimals.
# law: none, it holds
description: Hours in all
write: overwrite
inputs:
  tickets: {files: "landing/tickets/tickets.csv", columns: {ticket: bigint, owner: varchar, state: varchar, changed_at: timestamp, hours: double}}
*/
select sum(cast(hours as decimal(18,4))) as hours
from tickets
having count(*) > 0
