/* @twice
description: Confirmed cases so far by province and day, as the day's file tells them now

# overwrite: a file that is published again replaces its day and no other.
write: overwrite
time_column: day
window: day
begin: 2020-03-01
end: 2020-06-01

inputs:
  province_file:
    files: "${TWICE_DATA}/province/landing/{start:%Y-%m-%d}.csv"
    # A few days are not UTF-8. The first encoding in which all bytes of a file are valid is taken.
    encoding: [utf-8, latin-1, mac-roman]
    columns:
      - {name: data, type: varchar}
      - {name: codice_regione, type: integer}
      - {name: denominazione_regione, type: varchar}
      - {name: codice_provincia, type: integer}
      - {name: denominazione_provincia, type: varchar}
      - {name: sigla_provincia, type: varchar}
      - {name: totale_casi, type: bigint, aliases: [casi_totali]}

columns:
  - {name: day, type: date, not_null: true}
  - {name: province_code, type: integer, not_null: true}
  - {name: province, type: varchar, not_null: true}
  - {name: plate, type: varchar}                       # NULL for cases that no province is known of yet
  - {name: region_code, type: integer, not_null: true}
  - {name: region, type: varchar, not_null: true}
  - {name: reported_at, type: timestamp, not_null: true}
  - {name: total_cases, type: bigint}
checks:
  - unique: [day, province_code]
  - rows: {min: 128, max: 128}
  - {sql: "select * from {rows} where total_cases < 0"}
  - {not_null: [total_cases], on_fail: warn}           # one cell of 2020-03-11 was empty for three weeks
*/
select
    cast($start as date) as day,                       -- the file's date: what stands in data is not to be trusted
    codice_provincia as province_code,
    trim(denominazione_provincia) as province,
    sigla_provincia as plate,
    codice_regione as region_code,
    trim(denominazione_regione) as region,
    cast(replace(data, 'T', ' ') as timestamp) as reported_at,
    totale_casi as total_cases
from province_file
