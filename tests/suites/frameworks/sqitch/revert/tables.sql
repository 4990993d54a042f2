begin;
drop table shop.item;
drop schema shop;
commit;
