/* @twice
description: One row an order, with what was paid for it by each method
write: publish
columns:
  - {name: order_id, type: bigint, not_null: true, unique: true}
  - {name: customer_id, type: bigint, not_null: true, relationships: staging.customers.customer_id}
  - {name: order_date, type: date, not_null: true}
  - {name: status, type: varchar, not_null: true}
  - {name: credit_card_amount, type: "decimal(12,2)", not_null: true}
  - {name: coupon_amount, type: "decimal(12,2)", not_null: true}
  - {name: bank_transfer_amount, type: "decimal(12,2)", not_null: true}
  - {name: gift_card_amount, type: "decimal(12,2)", not_null: true}
  - {name: amount, type: "decimal(12,2)", not_null: true}
*/
with paid as (
    select
        order_id,
        sum(case when payment_method = 'credit_card' then amount else 0 end) as credit_card,
        sum(case when payment_method = 'coupon' then amount else 0 end) as coupon,
        sum(case when payment_method = 'bank_transfer' then amount else 0 end) as bank_transfer,
        sum(case when payment_method = 'gift_card' then amount else 0 end) as gift_card,
        sum(amount) as total
    from staging.payments
    group by order_id
)
select
    o.order_id,
    o.customer_id,
    o.order_date,
    o.status,
    cast(coalesce(paid.credit_card, 0) as decimal(12,2)) as credit_card_amount,
    cast(coalesce(paid.coupon, 0) as decimal(12,2)) as coupon_amount,
    cast(coalesce(paid.bank_transfer, 0) as decimal(12,2)) as bank_transfer_amount,
    cast(coalesce(paid.gift_card, 0) as decimal(12,2)) as gift_card_amount,
    cast(coalesce(paid.total, 0) as decimal(12,2)) as amount
from staging.orders as o
left join paid on paid.order_id = o.order_id
