"""What `./dev suites frameworks` runs: each tool with its pooler workarounds off."""

from dataclasses import dataclass

PYTHON = "/usr/bin/python3"  # Debian's packages are not for another one that may come first
NODE_BIN = "{node}/node_modules/.bin"


@dataclass(frozen=True)
class Tool:
    """Commands run in the tool's directory; {node} is where npm's modules are."""

    name: str
    directory: str  # in frameworks/
    packages: tuple[str, ...] = ()  # Debian's
    modules: tuple[str, ...] = ()  # npm's


@dataclass(frozen=True)
class Application(Tool):
    """Its test says `ok STEP` for each step. Three copies run at once."""

    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Migration(Tool):
    """Three copies of `up` run at once; then it runs once more, and `check` and `down` if given."""

    up: tuple[str, ...] = ()
    check: tuple[str, ...] = ()
    down: tuple[str, ...] = ()


SQITCH_TARGET = "db:pg:"
MIGRATIONS = [
    Migration("alembic", "alembic", packages=("alembic", "python3-psycopg2"),
              up=(PYTHON, "-m", "alembic.config", "upgrade", "head"),
              check=(PYTHON, "-m", "alembic.config", "current"),
              down=(PYTHON, "-m", "alembic.config", "downgrade", "base")),
    Migration("django-migrate", "django", packages=("python3-django", "python3-psycopg2"),
              up=(PYTHON, "manage.py", "migrate", "--no-input"),
              check=(PYTHON, "manage.py", "migrate", "--check")),
    Migration("sqitch", "sqitch", packages=("sqitch", "libdbd-pg-perl", "postgresql-client-15"),
              up=("sqitch", "deploy", "--verify", SQITCH_TARGET),
              check=("sqitch", "verify", SQITCH_TARGET),
              down=("sqitch", "revert", "-y", SQITCH_TARGET)),
    Migration("knex", "knex", modules=("knex", "pg"),
              up=(f"{NODE_BIN}/knex", "migrate:latest"),
              check=(f"{NODE_BIN}/knex", "migrate:status"),
              down=(f"{NODE_BIN}/knex", "migrate:rollback", "--all")),
    Migration("node-pg-migrate", "node_pg_migrate", modules=("node-pg-migrate", "pg"),
              up=(f"{NODE_BIN}/node-pg-migrate", "up"),
              down=(f"{NODE_BIN}/node-pg-migrate", "down", "2")),
    Migration("prisma-migrate", "prisma", modules=("prisma", "@prisma/adapter-pg"),
              up=(f"{NODE_BIN}/prisma", "migrate", "deploy", "--config", "prisma.config.mjs"),
              check=(f"{NODE_BIN}/prisma", "migrate", "status", "--config", "prisma.config.mjs")),
    Migration("rails-migrate", "active_record", packages=("ruby-activerecord", "ruby-pg"),
              up=("ruby", "migrate.rb"), down=("ruby", "migrate.rb", "0")),
]
APPLICATIONS = [
    Application("django", "django", packages=("python3-django", "python3-psycopg2"),
                command=(PYTHON, "app.py")),
    Application("sqlalchemy", "sqlalchemy",
                packages=("python3-sqlalchemy", "python3-psycopg2", "python3-asyncpg"),
                command=(PYTHON, "app.py")),
    Application("psycopg", "psycopg", packages=("python3-psycopg",), command=(PYTHON, "app.py")),
    Application("php-pdo", "php", packages=("php-cli", "php-pgsql"), command=("php", "app.php")),
    Application("perl-dbi", "perl", packages=("libdbd-pg-perl",), command=("perl", "app.pl")),
    Application("node-postgres", "node", modules=("pg", "pg-cursor"),
                command=("node", "node_postgres.js")),
    Application("postgres.js", "node", modules=("postgres",), command=("node", "postgres_js.js")),
    Application("rails", "active_record", packages=("ruby-activerecord", "ruby-pg"),
                command=("ruby", "app.rb")),
    Application("jdbc", "jdbc", packages=("libpostgresql-jdbc-java",),
                command=("java", "-cp", "/usr/share/java/postgresql.jar", "JdbcApp.java")),
]
