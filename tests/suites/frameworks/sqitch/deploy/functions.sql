begin;
set local search_path = shop;
create function item_count() returns bigint language sql stable as 'select count(*) from shop.item';
commit;
create index concurrently item_name on shop.item (name);
