/* @twice
# incident: the day of 23 hours when the clocks go forward, with windows of a named zone.
# law: none, it holds
description: Readings by local day
write: overwrite
time_column: read_at
window: day
timezone: Europe/Rome
begin: 2024-03-30
end: 2024-04-02
inputs:
  readings: {files: "landing/readings/all.csv", columns: {reading: bigint, read_at: timestamptz}}
*/
select reading, read_at
from readings
where read_at >= ($start at time zone 'UTC') and read_at < ($end at time zone 'UTC')
