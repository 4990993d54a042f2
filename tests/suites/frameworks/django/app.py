"""What a Django application does with its database."""

import os
import sys
import threading

import django
import manage  # noqa: F401: the settings

django.setup()

from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.db import DatabaseError, IntegrityError, connection, transaction  # noqa: E402
from django.utils import timezone  # noqa: E402
from shop.models import Item  # noqa: E402

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from steps import COPY, main, step  # noqa: E402


def items():
    return Item.objects.filter(copy=COPY)


@step
def bulk_create():
    items().delete()
    Item.objects.bulk_create(
        Item(copy=COPY, name=f"item {number}", price=number, tags=["a", "b"]) for number in range(500))
    assert items().count() == 500


@step
def atomic_and_savepoints():
    with transaction.atomic():
        Item.objects.create(copy=COPY, name="outer", price=1)
        try:
            with transaction.atomic():
                Item.objects.create(copy=COPY, name="outer", price=2)
        except IntegrityError:
            pass
        with transaction.atomic():
            Item.objects.create(copy=COPY, name="inner", price=3)
    assert items().filter(name__in=["outer", "inner"]).count() == 2
    try:
        with transaction.atomic():
            items().filter(name="outer").delete()
            raise DatabaseError("no")
    except DatabaseError:
        pass
    assert items().filter(name="outer").exists()


@step
def on_commit():
    done = []
    with transaction.atomic():
        transaction.on_commit(lambda: done.append(items().count()))
        Item.objects.create(copy=COPY, name="committed", price=1)
        assert not done
    assert done == [503], done


@step
def server_side_cursor_in_autocommit():
    """A cursor WITH HOLD: it lives on while other statements come between its fetches."""
    seen = 0
    for item in items().order_by("id").iterator(chunk_size=50):
        if seen % 100 == 0:
            items().filter(id=item.id).update(price=item.price + 1)
        seen += 1
    assert seen == 503, seen


@step
def server_side_cursor_in_transaction():
    with transaction.atomic():
        assert len(list(items().iterator(chunk_size=20))) == 503


@step
def two_iterators_at_once():
    pairs = zip(items().order_by("id").iterator(chunk_size=10),
                items().order_by("id").iterator(chunk_size=10))
    assert all(one == other for one, other in pairs)


@step
def sessions():
    store = SessionStore()
    store["cart"] = [1, 2, 3]
    store.save()
    again = SessionStore(session_key=store.session_key)
    assert again["cart"] == [1, 2, 3]
    again.flush()
    assert not SessionStore().exists(store.session_key)


@step
def time_zone():
    """Django sets the connection's time zone after it has connected."""
    for _ in range(20):
        with connection.cursor() as cursor:
            cursor.execute("show timezone")
            assert cursor.fetchone() == ("UTC",)
    with timezone.override("Asia/Tokyo"):
        assert items().filter(made__hour__gte=0).exists()


@step
def select_for_update():
    with transaction.atomic():
        item = items().select_for_update(skip_locked=True).first()
        item.price += 1
        item.save(update_fields=["price"])


@step
def own_setting():
    with connection.cursor() as cursor:
        cursor.execute("select set_config('app.copy', %s, false)", [COPY])
    for _ in range(20):
        with connection.cursor() as cursor:
            cursor.execute("select current_setting('app.copy')")
            assert cursor.fetchone() == (COPY,)


@step
def read_only_transaction():
    with connection.cursor() as cursor:
        cursor.execute("set session characteristics as transaction read only")
        try:
            items().update(price=0)
            raise AssertionError("it was not read only")
        except DatabaseError:
            pass
        cursor.execute("set session characteristics as transaction read write")
    items().filter(name="outer").update(price=0)


@step
def threads():
    failures = []

    def work(number):
        try:
            for round_ in range(10):
                with transaction.atomic():
                    Item.objects.create(copy=COPY, name=f"thread {number} {round_}", price=1)
        except Exception as error:  # noqa: BLE001: whatever it is, the step reports it
            failures.append(error)
        finally:
            connection.close()

    started = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    assert not failures, failures
    assert items().filter(name__startswith="thread").count() == 40


@step
def lost_cursor():
    """An iterator that nobody reads to the end."""
    iterator = items().iterator(chunk_size=10)
    next(iterator)
    del iterator
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from pg_cursors where name like '\\_django%'")
        assert cursor.fetchone()[0] <= 1


main()
