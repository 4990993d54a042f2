select 1 / (shop.item_count() = 100)::int;
