-- What is in the target before any example runs: what no pipeline fills, and the tables that some examples read
-- although they fill them.
create table rates (currency varchar, rate decimal(9,4));
insert into rates values ('USD', 0.9300), ('CHF', 1.0200);

create table holidays (day date, name varchar);
insert into holidays values ('2099-12-24', 'Christmas Eve'), ('2020-12-24', 'Christmas Eve');
create view coming_holidays as select day, name from holidays where day >= current_date;

create sequence order_keys;

create table running_counter (customer_id bigint, orders bigint);
create table stock_level (sku varchar, pieces bigint);
create table first_seen (customer_id bigint, first_day date);
create table check_other_windows (order_id bigint, amount decimal(9,2), placed_at timestamp);
create table max_watermark (order_id bigint, amount decimal(9,2), placed_at timestamp);
create table watermark_at_the_edge (order_id bigint, amount decimal(9,2), day date);
create table lookback_too_short (order_id bigint, amount decimal(9,2), placed_at timestamp);
