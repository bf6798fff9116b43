/* @twice
# incident: a cursor with > on one side and < on the other. Rows exactly at midnight belong to no day, unless a catch-
#   up run happens to take two days at once.
# law: split
description: Payments, row by row
write: overwrite
time_column: paid_at
window: day
begin: 2024-05-01
end: 2024-05-04
batch_size: 3
inputs:
  payments: {files: "landing/payments/all.csv", columns: {payment: bigint, paid_at: timestamp, cents: bigint}}
*/
select payment, paid_at, cents
from payments
where paid_at > $start and paid_at < $end
