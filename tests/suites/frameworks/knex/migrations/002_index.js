'use strict';

exports.config = { transaction: false };

exports.up = async (knex) => {
    await knex.raw('create index concurrently book_kind_index on book (kind)');
};

exports.down = (knex) => knex.raw('drop index book_kind_index');
