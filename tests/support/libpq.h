// A thin wrapper of libpq: a real client for the tests.
#pragma once

#include "tests/support/deadline.h"

#include <libpq-fe.h>

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace weir::test {

// A server's (or the proxy's) error as libpq shows it; sqlstate is empty when it has none.
class PgError : public std::runtime_error {
public:
    PgError(const std::string& text, std::string sqlstate)
        : std::runtime_error(text), sqlstate_(std::move(sqlstate)) {}

    const std::string& sqlstate() const { return sqlstate_; }

private:
    std::string sqlstate_;
};

class Result {
public:
    explicit Result(PGresult* result) : result_(result, &PQclear) {}

    ExecStatusType status() const { return PQresultStatus(result_.get()); }

    bool good() const;

    int rows() const { return PQntuples(result_.get()); }

    int columns() const { return PQnfields(result_.get()); }

    std::string column(int index) const { return PQfname(result_.get(), index); }

    std::string value(int row = 0, int column = 0) const;

    bool is_null(int row, int column) const { return PQgetisnull(result_.get(), row, column) == 1; }

    std::string tag() const { return PQcmdStatus(result_.get()); }

    std::string sqlstate() const;

    std::string error() const { return PQresultErrorMessage(result_.get()); }

private:
    std::unique_ptr<PGresult, void (*)(PGresult*)> result_;
};

// Text parameters of an extended query; nullopt is NULL.
using Parameters = std::vector<std::optional<std::string>>;

class Pg {
public:
    // Throws PgError if the login fails.
    explicit Pg(const std::string& conninfo);

    PGconn* raw() const { return connection_.get(); }

    int pid() const { return PQbackendPID(raw()); }

    bool alive() const { return PQstatus(raw()) == CONNECTION_OK; }

    char transaction_status() const;
    std::string parameter_status(const std::string& name) const;

    // These throw PgError on an error.
    Result exec(const std::string& sql);
    Result exec(const std::string& sql, const Parameters& parameters);
    void prepare(const std::string& name, const std::string& sql);
    Result exec_prepared(const std::string& name, const Parameters& parameters = {});
    // First column of the first row; throws if there is none.
    std::string value(const std::string& sql, const Parameters& parameters = {});

    // These give back the error.
    Result try_exec(const std::string& sql);
    Result try_exec(const std::string& sql, const Parameters& parameters);
    Result try_prepare(const std::string& name, const std::string& sql);
    Result try_exec_prepared(const std::string& name, const Parameters& parameters = {});

    // The asynchronous half: send now, look later. finish() reads to the end of the command and
    // throws if the answer does not come in time.
    void send(const std::string& sql);
    bool answered();
    Result finish(std::chrono::milliseconds wait = default_wait);
    void cancel();

    // COPY table FROM STDIN / TO STDOUT.
    Result copy_in(const std::string& sql, const std::vector<std::string>& chunks);
    std::string copy_out(const std::string& sql);

    // Notices since the last call, each with its newline removed.
    std::vector<std::string> take_notices();

    // Ends the connection without Terminate, as a killed client does.
    void drop();

private:
    Result checked(Result result) const;
    // PQexec and its kin would wait for ever: all commands go by the asynchronous half.
    Result run(int sent, std::chrono::milliseconds wait = std::chrono::seconds(60));

    std::unique_ptr<PGconn, void (*)(PGconn*)> connection_;
    // Behind a pointer: libpq keeps its address.
    std::unique_ptr<std::vector<std::string>> notices_;
};

// Tries to log in: the error, or nothing if the login worked.
std::optional<PgError> login_error(const std::string& conninfo);

}  // namespace weir::test
