#include "proxy/slow_log.h"

#include "proxy/slow_log_format.h"

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <mutex>
#include <thread>
#include <unistd.h>
#include <utility>

namespace weir::proxy {

namespace {

// What may wait for the disk.
constexpr std::size_t pending_limit = 4 << 20;
// A storm of lines is few batches, and a lone line is written at once.
constexpr auto batch_time = std::chrono::milliseconds(20);

class Descriptor {
public:
    Descriptor() = default;

    explicit Descriptor(int fd) : fd_(fd) {}

    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

    Descriptor& operator=(Descriptor&& other) noexcept {
        if (this != &other) {
            reset();
            fd_ = std::exchange(other.fd_, -1);
        }
        return *this;
    }

    ~Descriptor() { reset(); }

    int get() const { return fd_; }

    explicit operator bool() const { return fd_ >= 0; }

private:
    void reset() {
        if (fd_ >= 0) ::close(fd_);
        fd_ = -1;
    }

    int fd_ = -1;
};

Descriptor open_file(const std::string& path) {
    // Nobody but its owner need read what an application does.
    return Descriptor(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
}

bool write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const auto written = ::write(fd, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

}  // namespace

struct SlowLog::State {
    mutable std::mutex mutex;
    // Guarded by mutex:
    std::deque<SlowStatement> last;
    std::string path;
    conf::SlowLogFormat format = conf::SlowLogFormat::json;
    std::string pending;
    std::size_t pending_lines = 0;
    bool reopen_wanted = false;
    bool stopped = false;
    bool sleeping = false;
    std::condition_variable filled;

    std::atomic<std::uint64_t> dropped{0};
    std::atomic<std::uint64_t> written{0};

    // The writer's.
    Descriptor file;
    std::thread writer;

    void run();
    void add_line(std::string line);
};

// REQUIRES the lock.
void SlowLog::State::add_line(std::string line) {
    if (path.empty()) return;
    if (pending.size() > pending_limit) {
        dropped.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    pending.append(line);
    ++pending_lines;
    if (sleeping) filled.notify_one();
}

void SlowLog::State::run() {
    std::string batch;
    for (bool last_turn = false; !last_turn;) {
        std::size_t lines = 0;
        std::string open_path;
        {
            std::unique_lock lock(mutex);
            sleeping = true;
            filled.wait(lock, [this] { return !pending.empty() || stopped || reopen_wanted; });
            sleeping = false;
            last_turn = stopped;
            std::swap(batch, pending);
            lines = std::exchange(pending_lines, 0);
            if (std::exchange(reopen_wanted, false) || !file) open_path = path;
            if (path.empty()) file = {};
        }
        // Lines of before a rotation may go to the new file, never nowhere.
        if (!open_path.empty()) {
            if (auto opened = open_file(open_path)) file = std::move(opened);
        }
        if (!batch.empty()) {
            const bool done = file && write_all(file.get(), batch);
            (done ? written : dropped).fetch_add(lines, std::memory_order_relaxed);
            batch.clear();
        }
        if (!last_turn) std::this_thread::sleep_for(batch_time);
    }
}

SlowLog::SlowLog() : state_(std::make_unique<State>()) {
    state_->writer = std::thread([this] { state_->run(); });
}

SlowLog::~SlowLog() {
    {
        const std::lock_guard lock(state_->mutex);
        state_->stopped = true;
    }
    state_->filled.notify_one();
    state_->writer.join();
}

std::string SlowLog::configure(const conf::Settings& settings) {
    {
        const std::lock_guard lock(state_->mutex);
        state_->format = settings.slow_log_format;
        if (state_->path == settings.slow_logfile) return {};
    }
    if (!settings.slow_logfile.empty() && !open_file(settings.slow_logfile)) {
        return "slow_logfile \"" + settings.slow_logfile +
               "\" cannot be opened: " + std::strerror(errno);
    }
    {
        const std::lock_guard lock(state_->mutex);
        state_->path = settings.slow_logfile;
    }
    reopen();
    return {};
}

void SlowLog::reopen() {
    {
        const std::lock_guard lock(state_->mutex);
        state_->reopen_wanted = true;
    }
    state_->filled.notify_one();
}

void SlowLog::note(SlowStatement statement, bool logged) {
    const std::lock_guard lock(state_->mutex);
    if (logged && !state_->path.empty()) {
        state_->add_line(slow_log_line(statement, state_->format));
    }
    state_->last.push_front(std::move(statement));
    if (state_->last.size() > kept) state_->last.pop_back();
}

std::vector<SlowStatement> SlowLog::last() const {
    const std::lock_guard lock(state_->mutex);
    return {state_->last.begin(), state_->last.end()};
}

void SlowLog::clear() {
    const std::lock_guard lock(state_->mutex);
    state_->last.clear();
}

std::uint64_t SlowLog::dropped() const {
    return state_->dropped.load(std::memory_order_relaxed);
}

std::uint64_t SlowLog::written() const {
    return state_->written.load(std::memory_order_relaxed);
}

}  // namespace weir::proxy
