/* @twice
description: One row a customer, also those who never ordered
write: publish
columns:
  - {name: customer_id, type: bigint, not_null: true, unique: true}
  - {name: first_name, type: varchar}
  - {name: last_name, type: varchar}
  - {name: first_order, type: date}                    # NULL, as the next ones, for who never ordered
  - {name: most_recent_order, type: date}
  - {name: number_of_orders, type: bigint}
  - {name: customer_lifetime_value, type: "decimal(12,2)"}
*/
with ordered as (
    select
        customer_id,
        min(order_date) as first_order,
        max(order_date) as most_recent_order,
        count(*) as number_of_orders,
        cast(sum(amount) as decimal(12,2)) as lifetime_value
    from orders
    group by customer_id
)
select
    c.customer_id,
    c.first_name,
    c.last_name,
    ordered.first_order,
    ordered.most_recent_order,
    ordered.number_of_orders,
    ordered.lifetime_value as customer_lifetime_value
from staging.customers as c
left join ordered on ordered.customer_id = c.customer_id
