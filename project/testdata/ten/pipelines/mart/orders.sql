/* @twice
table: orders
write: append
*/
select 1 as id
