"""Settings for Django's own test suite: two databases on the server that WEIR_PORT names, and a runner
that records each test."""

import os
import unittest

from django.test.runner import DiscoverRunner, reorder_suite
from recorder import Recorder


def database(name):
    return {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "postgres",
            "HOST": "127.0.0.1", "PORT": os.environ["WEIR_PORT"], "TEST": {"NAME": name}}


DATABASES = {"default": database("django_default"), "other": database("django_other")}
SECRET_KEY = "no secret"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False
TEST_RUNNER = "weir_django.Runner"


class Result(unittest.TextTestResult):
    """Outcomes are written when the test has ended: an error in tearDown comes after the success."""

    recorder = None

    def startTest(self, test):  # noqa: N802: unittest's names
        super().startTest(test)
        self.outcome = ("passed", "")
        self.recorder.write(test.id(), "started")

    def stopTest(self, test):  # noqa: N802
        super().stopTest(test)
        self.recorder.write(test.id(), *self.outcome)

    def fail(self, test, error):
        text = self._exc_info_to_string(error, test)
        if isinstance(test, unittest.TestCase):
            self.outcome = ("failed", self.outcome[1] + text)
        else:  # setUpClass of a whole class
            self.recorder.write(test.id(), "failed", text)

    def addError(self, test, err):  # noqa: N802
        super().addError(test, err)
        self.fail(test, err)

    def addFailure(self, test, err):  # noqa: N802
        super().addFailure(test, err)
        self.fail(test, err)

    def addSubTest(self, test, subtest, err):  # noqa: N802
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.fail(test, err)

    def addSkip(self, test, reason):  # noqa: N802
        super().addSkip(test, reason)
        self.outcome = ("skipped", "")

    def addExpectedFailure(self, test, err):  # noqa: N802
        super().addExpectedFailure(test, err)
        self.outcome = ("skipped", "")


class Runner(DiscoverRunner):
    def build_suite(self, *arguments, **options):
        suite = super().build_suite(*arguments, **options)
        Result.recorder = Recorder()
        left = [test for test in tests_of(suite) if test.id() not in Result.recorder.known]
        return reorder_suite(unittest.TestSuite(left), self.reorder_by, self.reverse)

    def get_resultclass(self):
        return Result


def tests_of(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from tests_of(test)
        else:
            yield test
