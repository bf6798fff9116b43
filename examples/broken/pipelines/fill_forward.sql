/* @twice
# incident: an empty day upstream, filled with the last day that had rows. When that day is corrected, the day that
#   borrowed from it keeps what it borrowed.
# law: late
description: Stock of every day
write: overwrite
time_column: day
window: day
begin: 2024-05-01
end: 2024-05-04
*/
select cast($start as date) as day, sku, pieces
from raw.stock
where day = (select max(day) from raw.stock where day < cast($end as date))
