#include "proxy/log_file.h"

#include <spdlog/async.h>
#include <spdlog/details/file_helper.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <mutex>

namespace weir::proxy {

namespace {

// Lines that wait for the disk.
constexpr std::size_t log_queue = 8192;

// spdlog's own file sinks keep the file they have opened, rotated away or not.
class LogFile final : public spdlog::sinks::base_sink<std::mutex> {
public:
    explicit LogFile(const std::string& name) { file_.open(name, false); }

    void reopen() {
        const std::lock_guard lock(mutex_);
        file_.reopen(false);
    }

protected:
    void sink_it_(const spdlog::details::log_msg& message) override {
        spdlog::memory_buf_t line;
        formatter_->format(message, line);
        file_.write(line);
    }

    void flush_() override { file_.flush(); }

private:
    spdlog::details::file_helper file_;
};

std::shared_ptr<LogFile> log_file;

}  // namespace

void open_log(const conf::Settings& settings, bool to_stderr) {
    std::vector<spdlog::sink_ptr> sinks;
    if (to_stderr) sinks.push_back(std::make_shared<spdlog::sinks::stderr_sink_mt>());
    if (!settings.logfile.empty()) {
        log_file = std::make_shared<LogFile>(settings.logfile);
        sinks.push_back(log_file);
    }
    spdlog::init_thread_pool(log_queue, 1);
    auto logger = std::make_shared<spdlog::async_logger>(
        "pgweir", sinks.begin(), sinks.end(), spdlog::thread_pool(),
        spdlog::async_overflow_policy::overrun_oldest
    );
    logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %z [%P] %l %v");
    logger->flush_on(spdlog::level::info);
    spdlog::set_default_logger(std::move(logger));
}

void reopen_log() {
    if (log_file == nullptr) return;
    try {
        log_file->reopen();
    } catch (const spdlog::spdlog_ex& e) {
        spdlog::error("the log file cannot be opened again: {}", e.what());
    }
}

}  // namespace weir::proxy
