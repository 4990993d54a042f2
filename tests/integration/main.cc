// doctest's main, with two things more: no test case run is a failure, and so is what a Proxy
// could only tell in its destructor.
#define DOCTEST_CONFIG_IMPLEMENT
#include "tests/support/proxy.h"

#include <doctest/doctest.h>

#include <cstdio>

namespace {

unsigned test_cases_run = 0;

class Counter : public doctest::IReporter {
public:
    explicit Counter(const doctest::ContextOptions&) {}

    void test_run_end(const doctest::TestRunStats& stats) override {
        test_cases_run = stats.numTestCasesPassingFilters;
    }

    void report_query(const doctest::QueryData&) override {}

    void test_run_start() override {}

    void test_case_start(const doctest::TestCaseData&) override {}

    void test_case_reenter(const doctest::TestCaseData&) override {}

    void test_case_end(const doctest::CurrentTestCaseStats&) override {}

    void test_case_exception(const doctest::TestCaseException&) override {}

    void subcase_start(const doctest::SubcaseSignature&) override {}

    void subcase_end() override {}

    void log_assert(const doctest::AssertData&) override {}

    void log_message(const doctest::MessageData&) override {}

    void test_case_skipped(const doctest::TestCaseData&) override {}
};

REGISTER_LISTENER("counter", 1, Counter);

}  // namespace

int main(int argc, char** argv) {
    doctest::Context context{argc, argv};
    const int result = context.run();
    if (context.shouldExit()) return result;
    if (test_cases_run == 0) {
        std::fputs("no test case fits the filters\n", stderr);
        return 1;
    }
    if (weir::test::late_failures() != 0) return 1;
    return result;
}
