/* @twice
# incident: a timestamp with time zone cast to a date: the day depends on the session's time zone, so the report of
#   the server in UTC and of the laptop in Berlin differ around midnight.
# law: clock
description: Logins by day
write: overwrite
inputs:
  logins: {files: "landing/logins/logins.csv", columns: {login: bigint, logged_at: timestamptz, local_time: varchar}}
*/
select cast(logged_at as date) as day, count(*) as logins
from logins
group by cast(logged_at as date)
