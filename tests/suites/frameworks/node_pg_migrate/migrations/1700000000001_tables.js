'use strict';

exports.up = (pgm) => {
    pgm.createTable('author', { id: 'id', name: { type: 'text', notNull: true, unique: true } });
    pgm.createTable('book', { id: 'id', author_id: { type: 'integer', references: 'author' } });
    pgm.sql("insert into author (name) select 'author ' || n from generate_series(1, 100) n");
};

exports.down = (pgm) => {
    pgm.dropTable('book');
    pgm.dropTable('author');
};
