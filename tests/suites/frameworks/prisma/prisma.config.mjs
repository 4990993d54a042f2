// The engine that is compiled to WebAssembly and talks through node-postgres: the other one is a program
// that is fetched at installation from a place of Prisma's own.
import pg from 'pg';
import { PrismaPg } from '@prisma/adapter-pg';

// The adapter of 6.19 does not know the type `name`, which the engine's own query of pg_namespace has.
const { addFields } = pg.Result.prototype;
pg.Result.prototype.addFields = function asText(fields) {
    fields.filter(({ dataTypeID }) => dataTypeID === 19).forEach((field) => { field.dataTypeID = 25; });
    return addFields.call(this, fields);
};

export default {
    schema: './schema.prisma',
    engine: 'js',
    experimental: { adapter: true },
    migrations: { path: './migrations' },
    adapter: async () => new PrismaPg({ connectionString: process.env.DATABASE_URL }),
};
