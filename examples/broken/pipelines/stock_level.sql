/* @twice
# incident: stock kept by adding each day's movements to yesterday's level in the same table. The day that was run
#   twice was sold twice.
# law: repeat
description: Stock by article
write: merge
unique_key: [sku]
window: day
begin: 2024-05-01
end: 2024-05-04
inputs:
  movements: {files: "landing/movements/{start:%Y-%m-%d}.csv", columns: {sku: varchar, pieces: bigint}}
allow:
  - {rule: self-reference, reason: "the level before is in the table"}
*/
select m.sku, cast(sum(m.pieces) + coalesce(max(s.pieces), 0) as bigint) as pieces
from movements m
left join stock_level s on s.sku = m.sku
group by m.sku
