/* @twice
# incident: a vendor added a column in the middle of a month. Rows are compared by a hash over all columns, and days
#   that were loaded together with a newer file got the column, as NULL, and another hash.
# law: split
description: Articles with a hash of each row
write: overwrite
time_column: day
window: day
begin: 2024-05-01
end: 2024-05-04
batch_size: 3
inputs:
  articles: {files: "landing/articles/{start:%Y-%m-%d}.csv"}
*/
select day, sku, md5(cast(a as varchar)) as row_hash
from articles a
