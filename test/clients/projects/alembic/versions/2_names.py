import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision = "1"


def upgrade():
    op.add_column("customers", sa.Column("name", sa.Text, nullable=False, server_default=""))
    op.create_index("customers_name", "customers", ["name"])
