/* @twice
# incident: a day without rows upstream: it is empty, says so, and is filled when rows come.
# law: none, it holds
description: Stock as it was counted, in dozens
write: overwrite
allow_empty: true
time_column: day
window: day
begin: 2024-05-01
end: 2024-05-04
*/
select day, sku, pieces / 12 as dozens
from raw.stock
where day >= $start and day < $end
