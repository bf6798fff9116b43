/* @twice
# incident: an as-of join with two quotes of the same instant: each trade gets one of them, never the same for sure.
# law: shuffle
description: Trades with the price of their time
write: overwrite
inputs:
  trades: {files: "landing/prices/trades.csv", columns: {trade: bigint, sku: varchar, traded_at: timestamp}}
  prices: {files: "landing/prices/prices.csv", columns: {sku: varchar, since: timestamp, price: "decimal(9,2)"}}
allow:
  - {rule: asof-ties, reason: "a price has a time of its own"}
*/
select t.trade, p.price
from trades t
asof join prices p on t.sku = p.sku and t.traded_at >= p.since
