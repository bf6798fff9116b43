/* @twice
# incident: current_date hidden in a view that the pipeline reads: nothing in the pipeline's own SQL tells, and each
#   day the same window had other rows.
# law: clock
description: The holidays that are still to come
write: overwrite
allow_empty: true
inputs:
  coming: {table: coming_holidays}
allow:
  - {rule: volatile-function, reason: "the view is somebody else's"}
*/
select day, name
from coming
