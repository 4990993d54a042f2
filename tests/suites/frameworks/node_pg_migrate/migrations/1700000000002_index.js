'use strict';

exports.up = (pgm) => {
    pgm.noTransaction();
    pgm.createIndex('book', 'author_id', { concurrently: true });
};
