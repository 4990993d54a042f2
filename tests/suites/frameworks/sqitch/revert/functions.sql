begin;
drop function shop.item_count();
drop index shop.item_name;
commit;
