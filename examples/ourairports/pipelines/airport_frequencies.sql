/* @twice
description: Radio frequencies of airports, as the newest snapshot has them

# merge over full snapshots: known ids are updated, new ones inserted, and ids that a snapshot lacks deleted. A snapshot
# that is older than one already merged changes nothing, so that their order does not matter. Days without one wait.
write: merge
unique_key: [id]
when_missing: delete
window: day
begin: 2021-11-02
end: 2024-01-01

inputs:
  snapshot:
    files: "${TWICE_DATA}/airport-frequencies/versions/{start:%Y-%m-%d}.csv"
    columns:
      - {name: id, type: bigint}
      - {name: airport_ref, type: bigint}
      - {name: airport_ident, type: varchar}
      - {name: type, type: varchar}
      - {name: description, type: varchar}
      - {name: frequency_mhz, type: "decimal(12,3)"}

columns:
  - {name: id, type: bigint, not_null: true}
  - {name: airport_ref, type: bigint, not_null: true}
  - {name: airport_ident, type: varchar, not_null: true}
  - {name: type, type: varchar}
  - {name: description, type: varchar}
  - {name: frequency_mhz, type: "decimal(12,3)"}       # a decimal: sums of floats depend on their order
*/
select id, airport_ref, airport_ident, type, description, frequency_mhz
from snapshot
