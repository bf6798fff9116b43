/* @twice
# incident: a column with a time zone next to $start. Which instant that is looks like the session's business; twice sets
#   the session to UTC, and its windows begin in UTC.
# law: none, it holds
description: Logins by the window they were in
write: overwrite
time_column: day
window: day
begin: 2024-05-01
end: 2024-05-03
inputs:
  logins: {files: "landing/logins/logins.csv", columns: {login: bigint, logged_at: timestamptz, local_time: varchar}}
allow_empty: true
*/
select $start::date as day, login, logged_at
from logins
where logged_at >= $start and logged_at < $end
