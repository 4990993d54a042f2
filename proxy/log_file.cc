#include "proxy/log_file.h"

#include "proxy/log.h"

#include <spdlog/details/file_helper.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

namespace weir::proxy {

namespace {

// What may wait for the disk.
constexpr std::size_t pending_limit = 4 << 20;
// After a batch the writer sleeps for this long: a storm of lines is few batches, and a lone line
// is written at once.
constexpr auto batch_time = std::chrono::milliseconds(10);

// The files lines end up in. spdlog's own file sinks keep the file they have opened, rotated away
// or not.
class LogOutputs {
public:
    LogOutputs(const std::string& name, bool to_stderr) : to_stderr_(to_stderr) {
        if (!name.empty()) file_.emplace().open(name, false);
    }

    void write(const spdlog::memory_buf_t& lines) {
        if (to_stderr_) {
            std::fwrite(lines.data(), 1, lines.size(), stderr);
            std::fflush(stderr);
        }
        const std::lock_guard lock(mutex_);
        if (!file_) return;
        file_->write(lines);
        file_->flush();
    }

    void reopen() {
        const std::lock_guard lock(mutex_);
        if (file_) file_->reopen(false);
    }

private:
    const bool to_stderr_;
    std::mutex mutex_;
    std::optional<spdlog::details::file_helper> file_;  // guarded by mutex_
};

// Formats lines where they are logged and leaves the rest to a thread.
class LogWriter final : public spdlog::sinks::base_sink<std::mutex> {
public:
    explicit LogWriter(std::unique_ptr<LogOutputs> outputs)
        : outputs_(std::move(outputs)), thread_([this] { run(); }) {}

    ~LogWriter() override {
        {
            const std::lock_guard lock(mutex_);
            stopped_ = true;
        }
        filled_.notify_one();
        thread_.join();
    }

    void reopen() { outputs_->reopen(); }

protected:
    void sink_it_(const spdlog::details::log_msg& message) override {
        if (pending_.size() > pending_limit) {
            ++dropped_;
            return;
        }
        if (const auto lost = std::exchange(dropped_, 0); lost > 0) {
            const auto text = fmt::format("{} log lines were dropped: the disk is slow", lost);
            formatter_->format({message.logger_name, spdlog::level::warn, text}, pending_);
        }
        formatter_->format(message, pending_);
        if (sleeping_) filled_.notify_one();
    }

    void flush_() override {}

private:
    void run() {
        spdlog::memory_buf_t batch;
        for (bool last = false; !last;) {
            {
                std::unique_lock lock(mutex_);
                sleeping_ = true;
                filled_.wait(lock, [this] { return pending_.size() > 0 || stopped_; });
                sleeping_ = false;
                last = stopped_;
                std::swap(batch, pending_);
            }
            write(batch);
            batch.clear();
            if (!last) std::this_thread::sleep_for(batch_time);
        }
    }

    void write(const spdlog::memory_buf_t& batch) {
        try {
            outputs_->write(batch);
        } catch (const spdlog::spdlog_ex& e) {
            // A full disk: where the log is not lost altogether, this can be read.
            std::fprintf(stderr, "pgweir: %s\n", e.what());
        }
    }

    std::unique_ptr<LogOutputs> outputs_;
    // Guarded by base_sink's mutex_.
    spdlog::memory_buf_t pending_;
    std::size_t dropped_ = 0;
    bool sleeping_ = false;
    bool stopped_ = false;
    std::condition_variable filled_;
    std::thread thread_;
};

std::weak_ptr<LogWriter> log_writer;

using Loggers = std::array<std::shared_ptr<spdlog::logger>, conf::log_components.size()>;

// One for each component, all with the sinks of the process's logger.
Loggers& loggers() {
    static Loggers made = [] {
        Loggers all;
        for (auto& logger : all)
            logger = spdlog::default_logger();
        return all;
    }();
    return made;
}

}  // namespace

void open_log(const conf::Settings& settings, bool to_stderr) {
    auto writer =
        std::make_shared<LogWriter>(std::make_unique<LogOutputs>(settings.logfile, to_stderr));
    log_writer = writer;
    auto logger = std::make_shared<spdlog::logger>("pgweir", std::move(writer));
    logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %z [%P] %l %v");
    for (auto& component : loggers())
        component = logger->clone("pgweir");
    spdlog::set_default_logger(std::move(logger));
}

spdlog::logger& log_of(LogComponent component) {
    return *loggers()[static_cast<std::size_t>(component)];
}

void set_log_levels(const conf::LogLevels& levels) {
    for (std::size_t i = 0; i < levels.size(); ++i) {
        const auto level = levels[i] == conf::LogLevel::off
                               ? spdlog::level::off
                               : static_cast<spdlog::level::level_enum>(levels[i]);
        loggers()[i]->set_level(level);
    }
    // What is said of no component.
    spdlog::set_level(loggers().front()->level());
}

void reopen_log() {
    const auto writer = log_writer.lock();
    if (writer == nullptr) return;
    try {
        writer->reopen();
    } catch (const spdlog::spdlog_ex& e) {
        spdlog::error("the log file cannot be opened again: {}", e.what());
    }
}

}  // namespace weir::proxy
