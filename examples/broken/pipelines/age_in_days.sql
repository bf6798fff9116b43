/* @twice
# incident: the age of open items, by current_date. A re-run of last month's report shows the ages of today.
# law: clock
description: How old tickets are
write: overwrite
inputs:
  tickets: {files: "landing/tickets/tickets.csv", columns: {ticket: bigint, owner: varchar, state: varchar, changed_at: timestamp, hours: double}}
allow:
  - {rule: volatile-function, reason: "reports are about today"}
*/
select distinct ticket, date_diff('day', cast(changed_at as date), current_date) as days
from tickets
