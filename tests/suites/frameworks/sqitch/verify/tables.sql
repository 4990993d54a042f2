begin;
select id, name from shop.item where false;
rollback;
