"""Django's settings and its manage.py in one: server-side cursors and persistent connections on, which
its documentation says to turn off behind a transaction pooler."""

import os
import sys

import django
from django.conf import settings
from django.core.management import execute_from_command_line

settings.configure(
    DATABASES={"default": {
        "ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"],
        "USER": os.environ["PGUSER"], "HOST": os.environ["PGHOST"], "PORT": os.environ["PGPORT"],
        "CONN_MAX_AGE": None, "DISABLE_SERVER_SIDE_CURSORS": False}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions",
                    "django.contrib.postgres", "shop"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", SECRET_KEY="no secret", USE_TZ=True,
    TIME_ZONE="Europe/Vienna")

if __name__ == "__main__":
    django.setup()
    execute_from_command_line(sys.argv)
