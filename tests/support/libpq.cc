#include "tests/support/libpq.h"

#include <poll.h>
#include <sys/socket.h>
#include <utility>

namespace weir::test {
namespace {

void wait_readable(PGconn* connection, const Deadline& deadline) {
    pollfd poll_fd{PQsocket(connection), POLLIN, 0};
    if (deadline.passed() || ::poll(&poll_fd, 1, deadline.left_ms()) == 0) {
        throw std::runtime_error("libpq: no answer in time");
    }
}

// libpq has no SQLSTATE for a failed login; its message starts with the server's text.
PGconn* connect(const std::string& conninfo) {
    return PQconnectdb((conninfo + " connect_timeout=" + std::to_string(15 * patience())).c_str());
}

void keep_notice(void* notices, const char* text) {
    std::string line = text;
    while (!line.empty() && line.back() == '\n')
        line.pop_back();
    static_cast<std::vector<std::string>*>(notices)->push_back(line);
}

std::vector<const char*> pointers(const Parameters& parameters) {
    std::vector<const char*> result;
    for (const auto& parameter : parameters) {
        result.push_back(parameter ? parameter->c_str() : nullptr);
    }
    return result;
}

}  // namespace

bool Result::good() const {
    switch (status()) {
        case PGRES_COMMAND_OK:
        case PGRES_TUPLES_OK:
        case PGRES_COPY_IN:
        case PGRES_COPY_OUT:
        case PGRES_EMPTY_QUERY:
            return true;
        default:
            return false;
    }
}

std::string Result::value(int row, int column) const {
    if (row >= rows() || column >= columns()) {
        throw std::runtime_error("no such value in the result: " + tag() + error());
    }
    return {
        PQgetvalue(result_.get(), row, column),
        static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}

std::string Result::sqlstate() const {
    const char* field = PQresultErrorField(result_.get(), PG_DIAG_SQLSTATE);
    return field == nullptr ? "" : field;
}

Pg::Pg(const std::string& conninfo)
    : connection_(connect(conninfo), &PQfinish),
      notices_(std::make_unique<std::vector<std::string>>()) {
    if (!alive()) throw PgError(PQerrorMessage(raw()), "");
    PQsetNoticeProcessor(raw(), keep_notice, notices_.get());
}

char Pg::transaction_status() const {
    switch (PQtransactionStatus(raw())) {
        case PQTRANS_IDLE:
            return 'I';
        case PQTRANS_INTRANS:
            return 'T';
        case PQTRANS_INERROR:
            return 'E';
        default:
            return '?';
    }
}

std::string Pg::parameter_status(const std::string& name) const {
    const char* value = PQparameterStatus(raw(), name.c_str());
    return value == nullptr ? "" : value;
}

Result Pg::checked(Result result) const {
    if (!result.good()) {
        const std::string text = result.error();
        throw PgError(text.empty() ? PQerrorMessage(raw()) : text, result.sqlstate());
    }
    return result;
}

Result Pg::run(int sent, std::chrono::milliseconds wait) {
    if (sent != 1) return Result{PQmakeEmptyPGresult(raw(), PGRES_FATAL_ERROR)};
    return finish(wait);
}

Result Pg::try_exec(const std::string& sql) {
    return run(PQsendQuery(raw(), sql.c_str()));
}

Result Pg::try_exec(const std::string& sql, const Parameters& parameters) {
    const auto values = pointers(parameters);
    return run(PQsendQueryParams(
        raw(),
        sql.c_str(),
        static_cast<int>(values.size()),
        nullptr,
        values.data(),
        nullptr,
        nullptr,
        0
    ));
}

Result Pg::try_prepare(const std::string& name, const std::string& sql) {
    return run(PQsendPrepare(raw(), name.c_str(), sql.c_str(), 0, nullptr));
}

Result Pg::try_exec_prepared(const std::string& name, const Parameters& parameters) {
    const auto values = pointers(parameters);
    return run(PQsendQueryPrepared(
        raw(), name.c_str(), static_cast<int>(values.size()), values.data(), nullptr, nullptr, 0
    ));
}

Result Pg::exec(const std::string& sql) {
    return checked(try_exec(sql));
}

Result Pg::exec(const std::string& sql, const Parameters& parameters) {
    return checked(try_exec(sql, parameters));
}

void Pg::prepare(const std::string& name, const std::string& sql) {
    checked(try_prepare(name, sql));
}

Result Pg::exec_prepared(const std::string& name, const Parameters& parameters) {
    return checked(try_exec_prepared(name, parameters));
}

std::string Pg::value(const std::string& sql, const Parameters& parameters) {
    return parameters.empty() ? exec(sql).value() : exec(sql, parameters).value();
}

void Pg::send(const std::string& sql) {
    if (PQsendQuery(raw(), sql.c_str()) != 1) throw PgError(PQerrorMessage(raw()), "");
}

bool Pg::answered() {
    PQconsumeInput(raw());
    return PQisBusy(raw()) == 0;
}

Result Pg::finish(std::chrono::milliseconds wait) {
    const Deadline deadline{wait};
    std::optional<Result> last;
    for (;;) {
        while (!answered())
            wait_readable(raw(), deadline);
        PGresult* next = PQgetResult(raw());
        if (next == nullptr) break;
        // An error anywhere in a string of commands is the result of the whole.
        if (!last || last->good())
            last.emplace(next);
        else
            PQclear(next);
        if (last->status() == PGRES_COPY_IN || last->status() == PGRES_COPY_OUT) break;
    }
    if (!last) throw std::runtime_error("libpq: no result");
    return std::move(*last);
}

void Pg::cancel() {
    PGcancel* handle = PQgetCancel(raw());
    char error[256] = "";
    const int ok = PQcancel(handle, error, sizeof error);
    PQfreeCancel(handle);
    if (ok != 1) throw std::runtime_error(std::string("cancel: ") + error);
}

Result Pg::copy_in(const std::string& sql, const std::vector<std::string>& chunks) {
    checked(try_exec(sql));
    for (const auto& chunk : chunks) {
        if (PQputCopyData(raw(), chunk.data(), static_cast<int>(chunk.size())) != 1) break;
    }
    PQputCopyEnd(raw(), nullptr);
    return finish();
}

std::string Pg::copy_out(const std::string& sql) {
    checked(try_exec(sql));
    std::string all;
    const Deadline deadline{std::chrono::seconds(60)};
    for (;;) {
        char* row = nullptr;
        const int length = PQgetCopyData(raw(), &row, 1);
        if (length > 0) {
            all.append(row, static_cast<std::size_t>(length));
            PQfreemem(row);
        } else if (length == 0) {
            wait_readable(raw(), deadline);
            PQconsumeInput(raw());
        } else {
            break;
        }
    }
    checked(finish());
    return all;
}

std::vector<std::string> Pg::take_notices() {
    return std::exchange(*notices_, {});
}

void Pg::drop() {
    // PQfinish then finds a dead socket and has nobody to say Terminate to.
    ::shutdown(PQsocket(raw()), SHUT_RDWR);
    connection_.reset();
}

std::optional<PgError> login_error(const std::string& conninfo) {
    try {
        const Pg client{conninfo};
        return std::nullopt;
    } catch (const PgError& error) {
        return error;
    }
}

}  // namespace weir::test
