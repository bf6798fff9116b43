/* @twice
# incident: row_number() over a time that ties, with everything that the row says behind it: rows that still tie are
#   the same row.
# law: none, it holds
description: The latest state of each ticket
write: overwrite
inputs:
  tickets: {files: "landing/tickets/tickets.csv", columns: {ticket: bigint, owner: varchar, state: varchar, changed_at: timestamp, hours: double}}
allow:
  - {rule: ranking-ties, reason: "rows that tie in all columns are equal"}
*/
select ticket, owner, state, changed_at
from tickets
qualify row_number() over (partition by ticket order by changed_at desc, state, owner, hours) = 1
