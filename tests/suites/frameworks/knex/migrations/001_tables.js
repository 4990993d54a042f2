'use strict';

exports.up = async (knex) => {
    await knex.schema.createTable('author', (table) => {
        table.increments('id');
        table.string('name').notNullable().unique();
    });
    await knex.schema.createTable('book', (table) => {
        table.increments('id');
        table.integer('author_id').references('author.id');
        table.enu('kind', ['novel', 'poem'], { useNative: true, enumName: 'book_kind' });
    });
    await knex.batchInsert('author', Array.from({ length: 100 }, (_, n) => ({ name: `author ${n}` })), 10);
};

exports.down = async (knex) => {
    await knex.schema.dropTable('book').dropTable('author');
    await knex.raw('drop type book_kind');
};
