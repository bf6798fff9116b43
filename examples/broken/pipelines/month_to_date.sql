/* @twice
# incident: month to date in daily windows. A correction of the first of the month redoes that day, and every later
#   day keeps the old total.
# law: late
description: Revenue of the month so far
write: overwrite
time_column: day
window: day
begin: 2024-05-01
end: 2024-05-04
*/
select cast($start as date) as day, cast(sum(amount) as decimal(18,2)) as revenue
from raw.orders
where placed_at >= date_trunc('month', $start) and placed_at < $end
