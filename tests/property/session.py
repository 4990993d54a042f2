"""One connection, and what a client sees on it: every result in full, notices, notifications,
transaction status and reported settings, in a form that can be compared with another connection's."""

import os
import select
import socket

from psycopg import OperationalError, pq

from wire_words import DIAGNOSTICS, REPORTED, python_encoding

ANSWER_SECONDS = 20 * float(os.environ.get("WEIR_TEST_PATIENCE") or 1)
FIRST_USER_OID = 16384

Status = pq.ExecStatus


class Stuck(Exception):
    """No answer in time."""


class Connection:
    def __init__(self, conninfo):
        self.notices = []
        self.notifications = []
        self.pgconn = pq.PGconn.connect(conninfo.encode())
        self.pgconn.notice_handler = lambda result: self.notices.append(diagnostics(result))
        self.pgconn.notify_handler = None
        self.failure = None
        if self.pgconn.status != pq.ConnStatus.OK:
            self.failure = self.pgconn.error_message.rpartition(b"failed: ")[2].strip()

    @property
    def is_open(self):
        return self.pgconn.status == pq.ConnStatus.OK

    @property
    def transaction(self):
        return pq.TransactionStatus(self.pgconn.transaction_status).name

    @property
    def port(self):
        """The client's own port, by which the console names it."""
        with socket.socket(fileno=os.dup(self.pgconn.socket)) as copy:
            return copy.getsockname()[1]

    def encode(self, text):
        """In the encoding that the session has now; what it cannot say becomes a question mark."""
        name = (self.pgconn.parameter_status(b"client_encoding") or b"UTF8").decode()
        return text.encode(python_encoding(name), "replace")

    def parameters(self):
        return {name: self.pgconn.parameter_status(name.encode()) for name in REPORTED}

    def run(self, operation):
        """The results of one operation, and the notices that came with it."""
        self.notices = []
        try:
            results = getattr(self, "_" + operation[0])(*operation[1:])
        except OperationalError as error:
            results = [("LOST", str(error).encode())]
        return {"results": results, "notices": self.notices, "transaction": self.transaction,
                "parameters": self.parameters()}

    def take_notifications(self, seconds=0.0):
        """Those that have arrived; waits for one up to `seconds`."""
        if seconds:
            self._wait(seconds, fail=False)
            if self.is_open:
                self.pgconn.consume_input()
        while self.is_open and (found := self.pgconn.notifies()):
            self.notifications.append(
                (found.relname, found.extra, found.be_pid == self.pgconn.backend_pid))
        taken, self.notifications = self.notifications, []
        return taken

    def close(self):
        self.pgconn.finish()

    def drop(self):
        """Away without a word, as a client that was killed."""
        if self.is_open:
            with socket.socket(fileno=os.dup(self.pgconn.socket)) as copy:
                copy.shutdown(socket.SHUT_RDWR)
        self.pgconn.finish()

    # --- operations: named by the first item of the tuple ---

    def _query(self, sql):
        self.pgconn.send_query(self.encode(sql))
        return self._results()

    def _params(self, sql, values):
        self.pgconn.send_query_params(self.encode(sql), self._values(values))
        return self._results()

    def _prepare(self, name, sql):
        self.pgconn.send_prepare(name.encode(), self.encode(sql))
        return self._results()

    def _execute(self, name, values):
        self.pgconn.send_query_prepared(name.encode(), self._values(values))
        return self._results()

    def _describe(self, name):
        self.pgconn.send_describe_prepared(name.encode())
        return self._results()

    def _pipeline(self, operations):
        """Sent as a whole; ("sync",) is a Sync point, and there is one at the end."""
        self.pgconn.enter_pipeline_mode()
        syncs = 1
        for name, *rest in operations:
            if name == "sync":
                self.pgconn.pipeline_sync()
                syncs += 1
            elif name == "params":
                self.pgconn.send_query_params(self.encode(rest[0]), self._values(rest[1]))
            elif name == "prepare":
                self.pgconn.send_prepare(rest[0].encode(), self.encode(rest[1]))
            elif name == "execute":
                self.pgconn.send_query_prepared(rest[0].encode(), self._values(rest[1]))
            else:
                self.pgconn.send_describe_prepared(rest[0].encode())
        self.pgconn.pipeline_sync()
        results = []
        while syncs and self.is_open:
            result = self._next_result()
            if result is None:
                continue
            results.append(visible(result))
            syncs -= Status(result.status) == Status.PIPELINE_SYNC
        if self.is_open:
            self.pgconn.exit_pipeline_mode()
        return results

    def _unanswered(self, sql):
        """Sends a query and does not wait for its answer: for a client about to be dropped."""
        self.pgconn.send_query(self.encode(sql))
        return []

    def _values(self, values):
        return [None if value is None else self.encode(value) for value in values]

    def _results(self):
        results = []
        while (result := self._next_result()) is not None:
            results.append(visible(result))
        return results

    def _next_result(self):
        self.pgconn.flush()
        while self.pgconn.is_busy():
            self._wait(ANSWER_SECONDS)
            self.pgconn.consume_input()
        return self.pgconn.get_result()

    def _wait(self, seconds, fail=True):
        ready, _, _ = select.select([self.pgconn.socket], [], [], seconds)
        if fail and not ready:
            raise Stuck(f"no answer within {seconds:g} s")


def diagnostics(result):
    """The fields of an error or notice that a client may look at."""
    return {name: value for name, field in DIAGNOSTICS.items()
            if (value := result.error_field(field)) is not None}


def visible(result):
    """A result as comparable values. Numbers of types and tables differ from database to database."""
    status = Status(result.status)
    if status in (Status.FATAL_ERROR, Status.NONFATAL_ERROR, Status.BAD_RESPONSE):
        return status.name, diagnostics(result) or {"text": result.error_message}
    columns = [(result.fname(i), result.fformat(i), type_shown(result.ftype(i)), result.fmod(i),
                result.ftable(i) != 0, result.ftablecol(i)) for i in range(result.nfields)]
    rows = [[result.get_value(row, i) for i in range(result.nfields)]
            for row in range(result.ntuples)]
    types = [type_shown(result.param_type(i)) for i in range(result.nparams)]
    return status.name, result.command_status, columns, rows, types


def type_shown(oid):
    return oid if oid < FIRST_USER_OID else "of this database"
