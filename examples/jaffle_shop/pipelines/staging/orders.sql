/* @twice
description: The shop's orders
write: overwrite
inputs:
  raw_orders:
    files: "${TWICE_DATA}/seeds/raw_orders.csv"
    columns: {id: bigint, user_id: bigint, order_date: date, status: varchar}
columns:
  - {name: order_id, type: bigint, not_null: true, unique: true}
  - {name: customer_id, type: bigint, not_null: true}
  - {name: order_date, type: date, not_null: true}
  - {name: status, type: varchar, accepted_values: [placed, shipped, completed, return_pending, returned]}
*/
select id as order_id, user_id as customer_id, order_date, status
from raw_orders
