/* @twice
# incident: sessions built inside one day's partition: a visit over midnight is two sessions in the nightly run and
#   one in a backfill.
# law: split
description: Where sessions begin
write: overwrite
time_column: clicked_at
window: day
begin: 2024-05-01
end: 2024-05-04
batch_size: 3
inputs:
  clicks: {files: "landing/clicks/{start:%Y-%m-%d}.csv", columns: {click: bigint, visitor: varchar, clicked_at: timestamp}}
allow:
  - {rule: ranking-ties, reason: "click decides"}
*/
select click, visitor, clicked_at,
    coalesce(clicked_at - lag(clicked_at) over (partition by visitor order by clicked_at, click) > interval 30 minutes, true) as begins
from clicks
