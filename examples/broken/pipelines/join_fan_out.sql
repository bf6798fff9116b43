/* @twice
# incident: a join with a table whose key came to be there twice. The rows of the other side double, and the sums with
#   them; the key of the result is still unique.
# law: duplicate
description: Revenue by city
write: merge
unique_key: [city]
inputs:
  orders:
    files: "landing/orders/*.csv"
    columns: {order_id: bigint, customer_id: bigint, status: varchar, amount: "decimal(9,2)", placed_at: timestamp}
  cities: {files: "landing/fan_out/cities.csv", columns: {customer_id: bigint, city: varchar}}
*/
select c.city, cast(sum(o.amount) as decimal(18,2)) as revenue
from (select distinct * from orders) o
join cities c on c.customer_id = o.customer_id
group by c.city
