/* @twice
# incident: a sample that is the same in every run, because the key decides.
# law: none, it holds
description: About half of the orders
write: overwrite
allow_empty: true
inputs:
  orders:
    files: "landing/orders/*.csv"
    columns: {order_id: bigint, customer_id: bigint, status: varchar, amount: "decimal(9,2)", placed_at: timestamp}
*/
select order_id, amount
from orders
where hash(order_id) % 2 = 0
