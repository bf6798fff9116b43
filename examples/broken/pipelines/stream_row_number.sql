/* @twice
# incident: a number for each payment of an account, counted anew in each micro-batch: the first payment of every
#   batch was a customer's first.
# law: order
description: Payments, with their number in the account
write: merge
unique_key: [event_id]
allow:
  - {rule: batch-dependent, reason: "it was right in the test, which had one batch"}
inputs:
  feed:
    log: {path: streams/payments}
    format: json
    columns: {event_id: varchar, account: varchar, cents: bigint, happened_at: timestamp}
*/
select event_id, account, cents, row_number() over (partition by account order by happened_at, event_id) as place
from (select distinct event_id, account, cents, happened_at from feed)
