from django.db import migrations, models


def fill(apps, schema_editor):
    item = apps.get_model("shop", "Item")
    item.objects.bulk_create(item(copy="none", name=f"item {n}", price=n) for n in range(300))
    for one in item.objects.filter(copy="none").iterator(chunk_size=50):
        one.price += 1
        one.save()


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [
        migrations.AddField("Item", "price", models.DecimalField(max_digits=8, decimal_places=2, default=0)),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.RunSQL("set constraints all immediate"),
        migrations.AddConstraint("Item", models.UniqueConstraint(fields=["copy", "name"], name="item_name")),
    ]
