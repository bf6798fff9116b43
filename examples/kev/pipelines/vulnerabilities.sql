/* @twice
description: Vulnerabilities known to be exploited, as the newest version of the catalogue has them

# merge over full snapshots: known ids are updated, new ones inserted, and ids that a snapshot lacks deleted. A snapshot
# that is older than one already merged changes nothing, so that their order does not matter.
write: merge
unique_key: [cve_id]
when_missing: delete

# Versions are named by the time of publication, sometimes two a day: a window is an hour. Hours without a version wait.
window: hour
begin: 2025-01-27T00:00:00Z
end: 2025-05-01T00:00:00Z

inputs:
  catalogue:
    files: "${TWICE_DATA}/versions/{start:%Y-%m-%dT%H}[0-5][0-9][0-5][0-9]Z.csv"
    columns:
      - {name: cveID, type: varchar}
      - {name: vendorProject, type: varchar}
      - {name: product, type: varchar}
      - {name: vulnerabilityName, type: varchar}
      - {name: dateAdded, type: date}
      - {name: shortDescription, type: varchar}
      - {name: requiredAction, type: varchar}
      - {name: dueDate, type: date}
      - {name: knownRansomwareCampaignUse, type: varchar}
      - {name: notes, type: varchar}
      - {name: cwes, type: varchar}

columns:
  - {name: cve_id, type: varchar, not_null: true}
  - {name: vendor, type: varchar, not_null: true}
  - {name: product, type: varchar, not_null: true}
  - {name: name, type: varchar, not_null: true}
  - {name: added_on, type: date, not_null: true}
  - {name: description, type: varchar}
  - {name: required_action, type: varchar}
  - {name: due_on, type: date}
  - {name: ransomware, type: varchar, accepted_values: [Known, Unknown]}
  - {name: notes, type: varchar}
  - {name: cwes, type: varchar}
checks:
  - {sql: "select * from {rows} where cve_id not like 'CVE-____-%'"}
*/
select
    cveID as cve_id,
    vendorProject as vendor,
    product,
    vulnerabilityName as name,
    dateAdded as added_on,
    shortDescription as description,
    requiredAction as required_action,
    dueDate as due_on,
    knownRansomwareCampaignUse as ransomware,
    notes,
    cwes
from catalogue
