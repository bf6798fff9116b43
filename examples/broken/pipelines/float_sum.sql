/* @twice
# incident: sums of DOUBLE compared for equality: floating-point addition is not associative, so parallel runs differ
#   in the last digits and a reconciliation job raised an alarm each night.
# law: shuffle
description: Hours in all
write: overwrite
inputs:
  tickets: {files: "landing/tickets/tickets.csv", columns: {ticket: bigint, owner: varchar, state: varchar, changed_at: timestamp, hours: double}}
allow:
  - {rule: float-sum, reason: "a few digits are enough"}
*/
select sum(hours) as hours
from tickets
