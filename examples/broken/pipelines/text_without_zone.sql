/* @twice
# incident: a time without a zone, read as an instant: it means another instant wherever it is read.
# law: clock
description: When logins took place
write: overwrite
inputs:
  logins: {files: "landing/logins/logins.csv", columns: {login: bigint, logged_at: timestamptz, local_time: varchar}}
*/
select login, cast(local_time as timestamptz) as logged_at
from logins
