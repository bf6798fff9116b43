/* @twice
# incident: names sorted without regard to case. 'Ann' and 'ann' tie then, and so do many more under a language's
#   collation than under bytes.
# law: shuffle
description: The first owner by name
write: overwrite
inputs:
  tickets: {files: "landing/tickets/tickets.csv", columns: {ticket: bigint, owner: varchar, state: varchar, changed_at: timestamp, hours: double}}
allow:
  - {rule: ranking-ties, reason: "names differ"}
*/
select ticket, owner, state
from tickets
qualify row_number() over (partition by ticket order by owner collate nocase) = 1
