// The console's results on the wire, as text and binary.
#include "proxy/admin_result.h"
#include "tests/unit/proxy_admin_support.h"

#include <limits>

using namespace weir;
using namespace weir::proxy;
using namespace weir::proxy::test;

TEST_CASE("admin result: binary numeric") {
    const auto digits = [](std::int64_t number) {
        std::vector<int> values;
        const auto bytes = binary_numeric(number);
        protocol::FieldCursor fields(as_bytes(bytes));
        while (fields.remaining() >= 2)
            values.push_back(static_cast<std::int16_t>(fields.u16()));
        CHECK(fields.finished());
        return values;
    };
    using V = std::vector<int>;
    // What PostgreSQL's numeric_send gives for these.
    CHECK(digits(0) == V{0, 0, 0, 0});
    CHECK(digits(1) == V{1, 0, 0, 0, 1});
    CHECK(digits(9999) == V{1, 0, 0, 0, 9999});
    CHECK(digits(10000) == V{1, 1, 0, 0, 1});
    CHECK(digits(10001) == V{2, 1, 0, 0, 1, 1});
    CHECK(digits(120003400) == V{3, 2, 0, 0, 1, 2000, 3400});
    CHECK(digits(-12345) == V{2, 1, 0x4000, 0, 1, 2345});
    CHECK(digits(9223372036854775807) == V{5, 4, 0, 0, 922, 3372, 368, 5477, 5807});
    CHECK(
        digits(std::numeric_limits<std::int64_t>::min()) ==
        V{5, 4, 0x4000, 0, 922, 3372, 368, 5477, 5808}
    );
}

TEST_CASE("admin result: rows as text and binary, NULL, one format or one for each") {
    const Columns columns{
        {"t", ColumnType::text},
        {"i", ColumnType::int4},
        {"q", ColumnType::int8},
        {"n", ColumnType::numeric}};
    const Row row{"x"s, std::int64_t{7}, std::int64_t{8}, std::int64_t{9}};
    const auto body = [&](const Row& values, const ResultFormats& formats) {
        protocol::MessageWriter out;
        write_data_row(columns, values, formats, out);
        return split(as_text(out.view())).front().body;
    };
    const auto field = [](const std::string& bytes) {
        return u16(0) + u16(static_cast<unsigned>(bytes.size())) + bytes;
    };
    const auto i4 = "\0\0\0\7"s;
    const auto q8 = "\0\0\0\0\0\0\0\10"s;
    const auto n9 = binary_numeric(9);
    CHECK(body(row, {}) == u16(4) + field("x") + field("7") + field("8") + field("9"));
    CHECK(body(row, {0}) == body(row, {}));
    CHECK(body(row, {1}) == u16(4) + field("x") + field(i4) + field(q8) + field(n9));
    CHECK(body(row, {0, 1, 0, 1}) == u16(4) + field("x") + field(i4) + field("8") + field(n9));
    const Row nulls(4);
    CHECK(body(nulls, {1}) == u16(4) + std::string(16, '\xff'));
    const Row large{"x"s, std::int64_t{1} << 40, std::int64_t{0}, std::int64_t{0}};
    CHECK(body(large, {}).find("2147483647") != std::string::npos);
    CHECK(body(large, {1}).substr(7, 8) == "\0\0\0\4\x7f\xff\xff\xff"s);

    protocol::MessageWriter out;
    write_row_description(columns, {0, 1, 1, 1}, out);
    const auto described = split(as_text(out.view())).front();
    CHECK(described.type == 'T');
    protocol::FieldCursor fields(as_bytes(described.body));
    CHECK(fields.u16() == 4);
    const std::array<std::array<unsigned, 3>, 4> expected{
        {{25, 0xffff, 0}, {23, 4, 1}, {20, 8, 1}, {1700, 0xffff, 1}}};
    for (std::size_t i = 0; i < 4; ++i) {
        CHECK(fields.c_string() == columns[i].name);
        CHECK(fields.u32() == 0);
        CHECK(fields.u16() == 0);
        CHECK(fields.u32() == expected[i][0]);
        CHECK(fields.u16() == expected[i][1]);
        CHECK(fields.i32() == -1);
        CHECK(fields.u16() == expected[i][2]);
    }
    CHECK(fields.finished());
}
