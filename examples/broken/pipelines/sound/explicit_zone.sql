/* @twice
# incident: timestamps with time zone by day, in a zone that the SQL names.
# law: none, it holds
description: Logins by day in Berlin
write: overwrite
inputs:
  logins: {files: "landing/logins/logins.csv", columns: {login: bigint, logged_at: timestamptz, local_time: varchar}}
*/
select cast(logged_at at time zone 'Europe/Berlin' as date) as day, count(*) as logins
from logins
group by cast(logged_at at time zone 'Europe/Berlin' as date)
