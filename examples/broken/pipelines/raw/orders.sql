/* @twice
description: The orders as they were delivered, day by day; other examples read it
write: overwrite
time_column: placed_at
window: day
begin: 2024-05-01
end: 2024-05-04
allow_empty: true
inputs:
  deliveries:
    files: "landing/orders/{start:%Y-%m-%d}.csv"
    columns: {order_id: bigint, customer_id: bigint, status: varchar, amount: "decimal(9,2)", placed_at: timestamp}
*/
select order_id, customer_id, status, amount, placed_at from deliveries
