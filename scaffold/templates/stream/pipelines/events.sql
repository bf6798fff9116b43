/* @twice
description: Every page view once, however often its producer sent it

# A stream is merged into its table, batch by batch. Rows, receipt and the offset at which the next batch begins commit
# together, so that whatever kills a run, no event is lost and none is there twice.
write: merge
unique_key: [event_id]          # what a producer sends again has the same id, and is the same row
time_column: happened_at        # tells those who read this table by the hour which hours a late event touches

inputs:
  feed:
    # events/0.ndjson and events/1.ndjson: programs append lines to them, and no server is needed. Batches are of 100000
    # records unless you say otherwise; here they are small, so that there are some to look at.
    log: {path: events/, options: {batch_rows: 500}}
    # kafka: {brokers: ["localhost:9092"], topic: events}     # instead of log: nothing else changes
    format: json
    on_error: quarantine        # what does not parse goes to twice.quarantine, with its bytes and the reason
    columns:
      - {name: event_id, type: varchar}
      - {name: user, type: bigint}
      - {name: page, type: varchar}
      - {name: ms, type: integer}
      - {name: happened_at, type: timestamp}

columns:
  - {name: event_id, type: varchar, not_null: true}
  - {name: user_id, type: bigint, not_null: true}
  - {name: page, type: varchar, not_null: true}
  - {name: ms, type: integer, not_null: true}
  - {name: happened_at, type: timestamp, not_null: true}
*/
-- One row for each record: what happens in a batch must not depend on where the batch is cut, so there is no GROUP BY here.
select event_id, "user" as user_id, page, ms, happened_at
from feed
