/* @twice
description: Stock as it was counted; on some days nobody counts
write: overwrite
time_column: day
window: day
begin: 2024-05-01
end: 2024-05-04
allow_empty: true
inputs:
  counts: {files: "landing/stock/{start:%Y-%m-%d}.csv", columns: {day: date, sku: varchar, pieces: bigint}}
*/
select day, sku, pieces from counts
