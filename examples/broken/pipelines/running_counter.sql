/* @twice
# incident: counters kept as 'what was there, plus what came': a retry after a failed run counts the same delivery
#   again.
# law: repeat
description: How often each customer has ordered
write: merge
unique_key: [customer_id]
inputs:
  orders:
    files: "landing/orders/*.csv"
    columns: {order_id: bigint, customer_id: bigint, status: varchar, amount: "decimal(9,2)", placed_at: timestamp}
allow:
  - {rule: self-reference, reason: "the count goes on from what it was"}
*/
select o.customer_id, count(*) + coalesce(max(c.orders), 0) as orders
from orders o
left join running_counter c on c.customer_id = o.customer_id
group by o.customer_id
