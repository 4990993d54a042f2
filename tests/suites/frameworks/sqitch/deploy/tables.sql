begin;
set client_min_messages = warning;
create schema if not exists shop;
create table shop.item (id serial primary key, name text not null);
create temp table names (name text) on commit drop;
insert into names select 'item ' || n from generate_series(1, 100) n;
insert into shop.item (name) select name from names;
commit;
