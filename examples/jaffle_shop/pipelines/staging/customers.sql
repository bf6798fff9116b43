/* @twice
description: The shop's customers
write: overwrite
inputs:
  raw_customers:
    files: "${TWICE_DATA}/seeds/raw_customers.csv"
    columns: {id: bigint, first_name: varchar, last_name: varchar}
columns:
  - {name: customer_id, type: bigint, not_null: true, unique: true}
  - {name: first_name, type: varchar}
  - {name: last_name, type: varchar}
*/
select id as customer_id, first_name, last_name
from raw_customers
