// The connection comes from libpq's variables, as node-postgres reads them.
'use strict';

module.exports = {
    client: 'pg',
    connection: { host: process.env.PGHOST, port: process.env.PGPORT, user: process.env.PGUSER,
        database: process.env.PGDATABASE },
    migrations: { directory: './migrations' },
};
