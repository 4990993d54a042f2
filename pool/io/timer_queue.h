// Timer and TimerQueue: deadlines of one loop, kept in order without allocation.
//
// Meant to be used lazily: a deadline that moves later leaves the timer where it is; whoever is
// called too early sets it again. So a busy session touches the queue about once per time-out,
// not once per request.
#pragma once

#include "pool/io/io_backend.h"

#include <boost/intrusive/set.hpp>

namespace weir::pool {

namespace bi = boost::intrusive;

class TimerHandler {
public:
    virtual void on_timer(TimePoint now) = 0;

protected:
    ~TimerHandler() = default;
};

// Unlinks itself when destroyed. One thread.
class Timer : public bi::set_base_hook<bi::link_mode<bi::auto_unlink>> {
public:
    explicit Timer(TimerHandler& handler) : handler_(&handler) {}

    bool armed() const { return is_linked(); }

    TimePoint deadline() const { return deadline_; }

    void cancel() { unlink(); }

    friend bool operator<(const Timer& a, const Timer& b) { return a.deadline_ < b.deadline_; }

private:
    friend class TimerQueue;
    TimerHandler* handler_;
    TimePoint deadline_{};
};

class TimerQueue {
public:
    // Arms the timer for `deadline`, or moves it there.
    void set(Timer& timer, TimePoint deadline) {
        timer.unlink();
        timer.deadline_ = deadline;
        timers_.insert(timer);
    }

    // As set(), but a timer that is armed for an earlier time stays as it is.
    void set_no_later_than(Timer& timer, TimePoint deadline) {
        if (!timer.armed() || deadline < timer.deadline_) set(timer, deadline);
    }

    std::optional<TimePoint> next() const {
        if (timers_.empty()) return std::nullopt;
        return timers_.begin()->deadline_;
    }

    // Calls the handlers of all timers due; each timer is disarmed before its call.
    void run(TimePoint now) {
        while (!timers_.empty() && timers_.begin()->deadline_ <= now) {
            auto& timer = *timers_.begin();
            timer.unlink();
            timer.handler_->on_timer(now);
        }
    }

private:
    bi::multiset<Timer, bi::constant_time_size<false>> timers_;
};

}  // namespace weir::pool
