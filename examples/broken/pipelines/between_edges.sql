/* @twice
# incident: BETWEEN takes both ends. A row at midnight is in two windows, and the day that is re-run last overwrites
#   the next day's total with a part of it.
# law: order
description: Payments by day
write: merge
unique_key: [day]
window: day
begin: 2024-05-01
end: 2024-05-04
inputs:
  payments: {files: "landing/payments/all.csv", columns: {payment: bigint, paid_at: timestamp, cents: bigint}}
allow:
  - {rule: merge-order, reason: "every day is written once"}
*/
select cast(paid_at as date) as day, cast(sum(cents) as bigint) as cents
from payments
where paid_at between $start and $end
group by cast(paid_at as date)
