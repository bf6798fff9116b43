/* @twice
# incident: the hour of a timestamp with time zone: after the servers moved to UTC the evening peak was in the
#   afternoon.
# law: clock
description: Logins by hour
write: overwrite
inputs:
  logins: {files: "landing/logins/logins.csv", columns: {login: bigint, logged_at: timestamptz, local_time: varchar}}
*/
select extract(hour from logged_at) as hour, count(*) as logins
from logins
group by extract(hour from logged_at)
