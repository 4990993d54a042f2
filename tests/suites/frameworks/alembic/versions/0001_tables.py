import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    op.create_table(
        "author", sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(50), nullable=False, unique=True),
        sa.Column("kind", sa.Enum("person", "company", name="author_kind"), nullable=False))
    op.create_table(
        "book", sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("author_id", sa.Integer, sa.ForeignKey("author.id"), nullable=False),
        sa.Column("title", sa.Text, nullable=False))
    op.bulk_insert(sa.table("author", sa.column("name", sa.String), sa.column("kind", sa.String)),
                   [{"name": f"author {number}", "kind": "person"} for number in range(50)])


def downgrade():
    op.drop_table("book")
    op.drop_table("author")
    op.execute("drop type author_kind")
