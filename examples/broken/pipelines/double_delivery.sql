/* @twice
# incident: at-least-once delivery, as queues and file drops promise it: a batch came twice, and an aggregate by key
#   counted it twice while the key stayed unique.
# law: duplicate
description: Orders and revenue by customer
write: merge
unique_key: [customer_id]
inputs:
  orders:
    files: "landing/orders/*.csv"
    columns: {order_id: bigint, customer_id: bigint, status: varchar, amount: "decimal(9,2)", placed_at: timestamp}
*/
select customer_id, count(*) as orders, cast(sum(amount) as decimal(18,2)) as revenue
from orders
group by customer_id
