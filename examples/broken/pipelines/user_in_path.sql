/* @twice
# incident: an environment variable in a path. It worked for the one who wrote it, and under the scheduler's user the
#   job read another folder.
# law: clock
description: Targets
write: overwrite
inputs:
  goals: {files: "landing/goals/${USER}.csv", columns: {region: varchar, goal: bigint}}
*/
select region, goal
from goals
