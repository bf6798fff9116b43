/* @twice
description: Payments for orders, in whole units of money; the shop writes cents
write: overwrite
inputs:
  raw_payments:
    files: "${TWICE_DATA}/seeds/raw_payments.csv"
    columns: {id: bigint, order_id: bigint, payment_method: varchar, amount: integer}
columns:
  - {name: payment_id, type: bigint, not_null: true, unique: true}
  - {name: order_id, type: bigint, not_null: true}
  - {name: payment_method, type: varchar, accepted_values: [credit_card, coupon, bank_transfer, gift_card]}
  - {name: amount, type: "decimal(12,2)", not_null: true}
checks:
  - {sql: "select * from {rows} where amount < 0"}
*/
select
    id as payment_id,
    order_id,
    payment_method,
    cast(cast(amount as decimal(10,0)) * 0.01 as decimal(12,2)) as amount
from raw_payments
