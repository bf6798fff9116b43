/* @twice
# incident: the SELECT filters by the time of loading and writes by the time of the event. An event day that came in
#   two deliveries keeps only the part of the delivery that was written last.
# law: order
description: Events by day
write: merge
unique_key: [day]
window: day
begin: 2024-05-01
end: 2024-05-04
inputs:
  events: {files: "landing/events/all.csv", columns: {event: bigint, happened_at: timestamp, loaded_at: timestamp}}
allow:
  - {rule: merge-order, reason: "every day is written once"}
*/
select cast(happened_at as date) as day, count(*) as events
from events
where loaded_at >= $start and loaded_at < $end
group by cast(happened_at as date)
