// FieldCursor: reads the fields of one message body. The only place that touches raw offsets.
//
// Every read checks what is left. After a read that did not fit, ok() is false, that read and all
// later ones give empty values, and the caller reports a protocol violation once, at the end.
#pragma once

#include "protocol/types.h"

namespace weir::protocol {

class FieldCursor {
public:
    explicit FieldCursor(Bytes body) : body_(body) {}

    std::uint8_t u8() {
        return has(1) ? std::to_integer<std::uint8_t>(body_[at_++]) : std::uint8_t{0};
    }

    std::uint16_t u16();
    std::uint32_t u32();

    std::int32_t i32() { return static_cast<std::int32_t>(u32()); }

    // Text up to the next NUL, which is consumed and not part of the view.
    [[gnu::hot]] std::string_view c_string();
    // REQUIRES nothing of `count`: more than is left makes ok() false.
    Bytes take(std::size_t count);

    Bytes rest() { return take(remaining()); }

    std::size_t remaining() const { return body_.size() - at_; }

    std::size_t position() const { return at_; }

    bool ok() const { return ok_; }

    // All reads fitted and nothing is left over.
    bool finished() const { return ok_ && at_ == body_.size(); }

private:
    bool has(std::size_t count) {
        ok_ = ok_ && count <= remaining();
        return ok_;
    }

    Bytes body_;
    std::size_t at_ = 0;
    bool ok_ = true;
};

}  // namespace weir::protocol
