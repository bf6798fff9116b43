/* @twice
write: overwrite
time_colum: day
window: day
begin: 1st of March
inputs:
  reports: {files: "landing/{start:%Q}.csv", delimeter: ";"}
checks:
  - uniqe: [day]
*/
select $start::date as day, $begin as start from reports
