// UniqueFunction: a callable that is moved, never copied, so that it may own a Transport.
#pragma once

#include <memory>
#include <utility>

namespace weir::pool {

class UniqueFunction {
public:
    UniqueFunction() = default;

    template <class F>

    requires(!std::is_same_v<std::decay_t<F>, UniqueFunction>)
        UniqueFunction(F&& function)  // NOLINT: implicit on purpose, as std::function
        : body_(std::make_unique<Body<std::decay_t<F>>>(std::forward<F>(function))) {}

    void operator()() { body_->call(); }

    explicit operator bool() const { return body_ != nullptr; }

private:
    struct Base {
        virtual ~Base() = default;
        virtual void call() = 0;
    };

    template <class F>
    struct Body final : Base {
        explicit Body(F&& function) : function_(std::move(function)) {}

        explicit Body(const F& function) : function_(function) {}

        void call() override { function_(); }

        F function_;
    };

    std::unique_ptr<Base> body_;
};

}  // namespace weir::pool
