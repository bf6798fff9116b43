/* @twice
# incident: the time of arrival taken from the clock: a replay after an outage moved all payments to the day of the
#   replay.
# law: clock
description: Payments, with when they arrived
write: merge
unique_key: [event_id]
allow:
  - {rule: volatile-function, reason: "it is when the record was processed"}
inputs:
  feed:
    log: {path: streams/payments}
    format: json
    columns: {event_id: varchar, account: varchar, cents: bigint, happened_at: timestamp}
*/
select event_id, account, cents, current_date as arrived_on
from feed
