/* @twice
description: Page views, visitors and the slowest view, by hour and page

# overwrite by the hour in which events happened, not in which they came. A late event changes its hour's rows in the
# table events, and the next run redoes that hour and no other.
write: overwrite
time_column: hour
window: hour
begin: 2026-03-01
end: 2026-03-02                 # where the made-up events end; without it there is a window for every hour until now
batch_size: 24                  # so many adjoining hours in one statement
allow_empty: true               # an hour may have had no views

columns:
  - {name: hour, type: timestamp, not_null: true}
  - {name: page, type: varchar, not_null: true}
  - {name: views, type: bigint, not_null: true}
  - {name: visitors, type: bigint, not_null: true}
  - {name: slowest_ms, type: integer, not_null: true}
checks:
  - unique: [hour, page]
*/
select
    date_trunc('hour', happened_at) as hour,
    page,
    count(*) as views,
    count(distinct user_id) as visitors,
    max(ms) as slowest_ms
from events
where happened_at >= $start and happened_at < $end
group by date_trunc('hour', happened_at), page
