// run_on: a function on the thread pool, awaited from the control thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <type_traits>
#include <utility>

namespace weir::pool {

// The coroutine that runs on the pool's thread; `function` is in its frame.
template <class Function>
boost::asio::awaitable<std::invoke_result_t<Function>> call_as_coroutine(Function function) {
    co_return function();
}

// Result of `function()`, which runs on a thread of `threads`; exceptions come through. The caller
// goes on where it was, on its own executor. REQUIRES: the pool is joined before the caller's
// io_context is destroyed.
template <class Function>
boost::asio::awaitable<std::invoke_result_t<Function>> run_on(
    boost::asio::thread_pool& threads, Function function
) {
    auto work = call_as_coroutine(std::move(function));
    co_return co_await boost::asio::co_spawn(
        threads.get_executor(), std::move(work), boost::asio::use_awaitable
    );
}

}  // namespace weir::pool
