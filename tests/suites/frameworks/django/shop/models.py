from django.contrib.postgres.fields import ArrayField
from django.db import models


class Item(models.Model):
    copy = models.CharField(max_length=10)
    name = models.CharField(max_length=100)
    price = models.DecimalField(max_digits=8, decimal_places=2)
    tags = ArrayField(models.CharField(max_length=10), default=list)
    made = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["copy", "name"], name="item_name")]
