/* @twice
description: What the shop delivered, day by day, each line once

# overwrite: a run of a day deletes that day's rows and inserts what its file says now, in one transaction. A file that
# is delivered anew is picked up because its bytes differ; all other days are left alone.
write: overwrite
time_column: delivered_on       # which day a row belongs to: the day of delivery, not the day of the order
window: day
begin: 2026-01-01               # the first day of the feed
end: 2026-03-02                 # the feed ends here: no windows from this day on

inputs:
  deliveries:                   # the name under which the SELECT reads the file
    files: "landing/orders-{start:%Y-%m-%d}.csv"
    columns:                    # what a file must have; without one of these nothing is written
      - {name: delivered_on, type: date}
      - {name: order_id, type: bigint}
      - {name: customer_id, type: bigint}
      - {name: ordered_at, type: timestamp}
      - {name: updated_at, type: timestamp}
      - {name: status, type: varchar}
      - {name: amount, type: "decimal(12,2)"}
      - {name: channel, type: varchar, optional: true}    # only from 2026-01-31 on; NULL before

columns:                        # the contract of the table
  - {name: delivered_on, type: date, not_null: true}
  - {name: order_id, type: bigint, not_null: true}
  - {name: customer_id, type: bigint, not_null: true}
  - {name: ordered_at, type: timestamp, not_null: true}
  - {name: updated_at, type: timestamp, not_null: true}
  - {name: status, type: varchar, not_null: true}
  - {name: amount, type: "decimal(12,2)", not_null: true}
  - {name: channel, type: varchar}
checks:
  - {sql: "select * from {rows} where updated_at < ordered_at"}
*/
-- distinct: a line that stands twice in the file is one fact.
select distinct
    delivered_on, order_id, customer_id, ordered_at, updated_at, status, amount, channel
from deliveries
