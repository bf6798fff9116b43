/* @twice
description: Regions of countries, as the newest snapshot has them
write: merge
unique_key: [id]
when_missing: delete
window: day
begin: 2021-11-02
end: 2024-01-01

inputs:
  snapshot:
    files: "${TWICE_DATA}/regions/versions/{start:%Y-%m-%d}.csv"
    columns:
      - {name: id, type: bigint}
      - {name: code, type: varchar}
      - {name: local_code, type: varchar}              # 02 is a code, not a number
      - {name: name, type: varchar}
      - {name: continent, type: varchar}               # NA is North America, not NULL
      - {name: iso_country, type: varchar}             # NA is Namibia
      - {name: wikipedia_link, type: varchar}
      - {name: keywords, type: varchar}

columns:
  - {name: id, type: bigint, not_null: true}
  - {name: code, type: varchar, not_null: true, unique: true}
  - {name: local_code, type: varchar}
  - {name: name, type: varchar}
  - {name: continent, type: varchar, not_null: true}
  - {name: iso_country, type: varchar, not_null: true}
  - {name: wikipedia_link, type: varchar}
  - {name: keywords, type: varchar}
*/
select id, code, local_code, name, continent, iso_country, wikipedia_link, keywords
from snapshot
