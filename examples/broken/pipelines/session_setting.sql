/* @twice
# incident: a setting of the session in the result: the time zone as a label. Another client, another label.
# law: clock
description: Logins with the zone of the report
write: overwrite
inputs:
  logins: {files: "landing/logins/logins.csv", columns: {login: bigint, logged_at: timestamptz, local_time: varchar}}
allow:
  - {rule: session-lookup, reason: "it is only a label"}
*/
select login, current_setting('TimeZone') as zone
from logins
