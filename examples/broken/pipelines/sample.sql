/* @twice
# incident: a training set drawn by TABLESAMPLE: the model could not be reproduced, because each run of the job drew
#   other rows.
# law: repeat
description: Half of the orders, for a model
write: overwrite
allow_empty: true
inputs:
  orders:
    files: "landing/orders/*.csv"
    columns: {order_id: bigint, customer_id: bigint, status: varchar, amount: "decimal(9,2)", placed_at: timestamp}
allow:
  - {rule: sampling, reason: "about half is good enough"}
*/
select order_id, amount
from orders tablesample bernoulli(50%)
