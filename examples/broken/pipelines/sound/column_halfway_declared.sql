/* @twice
# incident: the column of column_halfway that appears on the third day, declared as optional: the days before hold
#   NULL, alone or together with newer ones.
# law: none, it holds
description: Articles, since May 3 with their colour
write: overwrite
time_column: day
window: day
begin: 2024-05-01
end: 2024-05-04
batch_size: 3
inputs:
  articles:
    files: "landing/articles/{start:%Y-%m-%d}.csv"
    columns:
      - {name: day, type: date}
      - {name: sku, type: varchar}
      - {name: price, type: bigint}
      - {name: colour, type: varchar, optional: true}
*/
select day, sku, price, colour
from articles
