/* @twice
write: merge
when_missing: keep
inputs:
  source: {postgres: {url: "${SHOP_URL}", query: select 1}}
allow:
  - rule: limit-without-order
*/
select 1 as id
