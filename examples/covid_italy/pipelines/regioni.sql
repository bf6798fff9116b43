/* @twice
description: Patients, deaths, cases and tests so far by region and day, as the day's file tells them now
write: overwrite
time_column: day
window: day
begin: 2020-03-01
end: 2020-06-01

inputs:
  regioni_file:
    files: "${TWICE_DATA}/regioni/landing/{start:%Y-%m-%d}.csv"
    encoding: [utf-8, latin-1, mac-roman]
    # Only what is used is declared, so that columns may come and go around it. The delimiter is detected, since one day
    # has semicolons.
    columns:
      - {name: data, type: varchar}
      - {name: codice_regione, type: integer}
      - {name: denominazione_regione, type: varchar}
      - {name: lat, type: double, aliases: [latitudine]}
      - {name: long, type: double, aliases: [longitudine]}
      - {name: ricoverati_con_sintomi, type: bigint}
      - {name: terapia_intensiva, type: bigint}
      - {name: totale_ospedalizzati, type: bigint}
      - {name: isolamento_domiciliare, type: bigint}
      - {name: totale_positivi, type: bigint, aliases: [totale_attualmente_positivi]}
      - {name: nuovi_positivi, type: bigint, optional: true}      # from 2020-03-31 on; NULL before
      - {name: dimessi_guariti, type: bigint}
      - {name: deceduti, type: bigint}
      - {name: totale_casi, type: bigint}
      - {name: tamponi, type: bigint}
      - {name: casi_testati, type: varchar, optional: true}       # from 2020-04-21 on

columns:
  - {name: day, type: date, not_null: true}
  - {name: region_key, type: integer, not_null: true}
  - {name: region, type: varchar, not_null: true}
  - {name: latitude, type: double precision}
  - {name: longitude, type: double precision}
  - {name: reported_at, type: timestamp, not_null: true}
  - {name: in_wards, type: bigint}
  - {name: in_intensive_care, type: bigint}
  - {name: in_hospital, type: bigint}
  - {name: at_home, type: bigint}
  - {name: positive, type: bigint}
  - {name: new_positive, type: bigint}
  - {name: recovered, type: bigint}
  - {name: deaths, type: bigint}
  - {name: total_cases, type: bigint, not_null: true}
  - {name: swabs, type: bigint}
  - {name: tested, type: bigint}
checks:
  - unique: [day, region_key]
  - rows: {min: 21, max: 21}
  # The file of 2020-03-17 was filled in by dragging a cell: its dates run on into April.
  - name: reported on its day
    sql: "select * from {rows} where cast(reported_at as date) <> day"
    on_fail: warn
*/
select
    cast($start as date) as day,
    -- Until 2020-05-16 both autonomous provinces carry the code 4.
    case
        when trim(denominazione_regione) like '%Bolzano' then 21
        when trim(denominazione_regione) like '%Trento' then 22
        else codice_regione
    end as region_key,
    trim(denominazione_regione) as region,
    lat as latitude,
    long as longitude,
    -- One revision has 6/3/2020 17:00, day first.
    cast(
        case
            when data like '%/%' then
                split_part(split_part(data, ' ', 1), '/', 3) || '-' ||
                lpad(split_part(split_part(data, ' ', 1), '/', 2), 2, '0') || '-' ||
                lpad(split_part(split_part(data, ' ', 1), '/', 1), 2, '0') || ' ' || split_part(data, ' ', 2)
            else replace(data, 'T', ' ')
        end
    as timestamp) as reported_at,
    ricoverati_con_sintomi as in_wards,
    terapia_intensiva as in_intensive_care,
    totale_ospedalizzati as in_hospital,
    isolamento_domiciliare as at_home,
    totale_positivi as positive,
    nuovi_positivi as new_positive,
    dimessi_guariti as recovered,
    deceduti as deaths,
    totale_casi as total_cases,
    tamponi as swabs,
    -- Two revisions have lines that leave this field out, so that a note's number stands in its place.
    case when casi_testati like '%-IT-%' then null else cast(casi_testati as bigint) end as tested
from regioni_file
