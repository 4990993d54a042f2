#include "tests/support/backend_message.h"

#include <stdexcept>

namespace weir::test {
namespace {

// Reads a body from left to right; throws when it ends too early.
class Fields {
public:
    explicit Fields(const std::string& body) : body_(body) {}

    std::uint32_t integer(std::size_t bytes) {
        std::uint32_t value = 0;
        for (const char c : take(bytes))
            value = value << 8 | static_cast<unsigned char>(c);
        return value;
    }

    std::string take(std::size_t bytes) {
        if (bytes > body_.size() - at_)
            throw std::runtime_error("a backend message ends too early");
        at_ += bytes;
        return body_.substr(at_ - bytes, bytes);
    }

    std::string text() {
        const auto end = body_.find('\0', at_);
        if (end == std::string::npos) throw std::runtime_error("a text without its NUL");
        std::string value = body_.substr(at_, end - at_);
        at_ = end + 1;
        return value;
    }

private:
    const std::string& body_;
    std::size_t at_ = 0;
};

void expect_type(const BackendMessage& message, const std::string& types) {
    if (types.find(message.type) == std::string::npos) {
        throw std::runtime_error("not a message of type " + types + ": " + message.text());
    }
}

std::string row_text(const BackendMessage& message) {
    std::string text = "D (";
    for (const auto& value : message.row()) {
        if (text.size() > 3) text += ", ";
        text += value ? value->substr(0, 60) : "NULL";
    }
    return text + ")";
}

}  // namespace

std::string BackendMessage::error_field(char code) const {
    expect_type(*this, "EN");
    Fields fields{body};
    for (;;) {
        const char field = static_cast<char>(fields.integer(1));
        if (field == '\0') return "";
        std::string value = fields.text();
        if (field == code) return value;
    }
}

std::string BackendMessage::command_tag() const {
    expect_type(*this, "C");
    return Fields{body}.text();
}

char BackendMessage::transaction_status() const {
    expect_type(*this, "Z");
    return static_cast<char>(Fields{body}.integer(1));
}

std::vector<std::optional<std::string>> BackendMessage::row() const {
    expect_type(*this, "D");
    Fields fields{body};
    std::vector<std::optional<std::string>> values(fields.integer(2));
    for (auto& value : values) {
        const std::uint32_t length = fields.integer(4);
        if (length != 0xffffffff) value = fields.take(length);
    }
    return values;
}

std::vector<std::string> BackendMessage::column_names() const {
    expect_type(*this, "T");
    Fields fields{body};
    std::vector<std::string> names(fields.integer(2));
    for (auto& name : names) {
        name = fields.text();
        fields.take(18);
    }
    return names;
}

std::pair<std::string, std::string> BackendMessage::parameter_status() const {
    expect_type(*this, "S");
    Fields fields{body};
    std::string name = fields.text();
    return {name, fields.text()};
}

std::uint32_t BackendMessage::authentication_code() const {
    expect_type(*this, "R");
    return Fields{body}.integer(4);
}

std::uint32_t BackendMessage::key_pid() const {
    expect_type(*this, "K");
    return Fields{body}.integer(4);
}

std::string BackendMessage::key_secret() const {
    expect_type(*this, "K");
    if (body.size() < 8) throw std::runtime_error("BackendKeyData without a key");
    return body.substr(4);
}

std::string BackendMessage::text() const {
    const std::string name(1, type);
    try {
        switch (type) {
            case 'E':
            case 'N':
                return name + " " + sqlstate() + " " + error_field('M');
            case 'C':
                return name + " " + command_tag();
            case 'Z':
                return name + " " + transaction_status();
            case 'D':
                return row_text(*this);
            case 'S':
                return name + " " + parameter_status().first + "=" + parameter_status().second;
            default:
                return name + " (" + std::to_string(body.size()) + " bytes)";
        }
    } catch (const std::exception& error) {
        return name + " malformed: " + error.what();
    }
}

std::string types(const BackendMessages& messages) {
    std::string result;
    for (const auto& message : messages)
        result += message.type;
    return result;
}

std::string text(const BackendMessages& messages) {
    std::string result;
    for (const auto& message : messages)
        result += message.text() + "\n";
    return result;
}

const BackendMessage& first(const BackendMessages& messages, char type) {
    for (const auto& message : messages) {
        if (message.type == type) return message;
    }
    throw std::runtime_error(std::string("no message ") + type + " among:\n" + text(messages));
}

std::string first_value(const BackendMessages& messages) {
    const auto row = first(messages, 'D').row();
    if (row.empty() || !row[0]) throw std::runtime_error("no value in:\n" + text(messages));
    return *row[0];
}

}  // namespace weir::test
