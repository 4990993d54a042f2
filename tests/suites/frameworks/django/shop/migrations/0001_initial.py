from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = [("auth", "0012_alter_user_first_name_max_length")]
    operations = [migrations.CreateModel("Item", fields=[
        ("id", models.BigAutoField(primary_key=True, serialize=False)),
        ("copy", models.CharField(max_length=10)),
        ("name", models.CharField(max_length=100)),
        ("tags", ArrayField(models.CharField(max_length=10), default=list)),
        ("made", models.DateTimeField(auto_now_add=True)),
    ])]
