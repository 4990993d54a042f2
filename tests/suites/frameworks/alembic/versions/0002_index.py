from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    with op.get_context().autocommit_block():
        op.create_index("book_title", "book", ["title"], postgresql_concurrently=True)
        op.execute("alter type author_kind add value 'group'")
    op.execute("set local lock_timeout = '5s'")
    op.execute("insert into author (name, kind) values ('all', 'group')")
    op.create_check_constraint("book_title_check", "book", "title <> ''")


def downgrade():
    op.drop_constraint("book_title_check", "book")
    op.drop_index("book_title", "book")
