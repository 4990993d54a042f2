// Containers that hardly any session ever fills: a pointer's size until something is put in.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::proxy {

// A std::vector whose memory begins with its first element, and stays until it is destroyed or
// moved from. Iterators are pointers, of which begin() == end() while nothing was ever put in.
template <class T>
class SeldomVector {
public:
    using Vector = std::vector<T>;

    SeldomVector() = default;
    SeldomVector(SeldomVector&&) noexcept = default;
    SeldomVector& operator=(SeldomVector&&) noexcept = default;

    bool empty() const { return values_ == nullptr || values_->empty(); }

    std::size_t size() const { return values_ == nullptr ? 0 : values_->size(); }

    T* begin() { return values_ == nullptr ? nullptr : values_->data(); }

    T* end() { return begin() + size(); }

    const T* begin() const { return values_ == nullptr ? nullptr : values_->data(); }

    const T* end() const { return begin() + size(); }

    // REQUIRES !empty().
    T& front() { return values_->front(); }

    T& back() { return values_->back(); }

    T& operator[](std::size_t index) { return (*values_)[index]; }

    void push_back(T value) { fill().push_back(std::move(value)); }

    template <class... Args>
    T& emplace_back(Args&&... args) {
        return fill().emplace_back(std::forward<Args>(args)...);
    }

    void pop_back() { values_->pop_back(); }

    void erase(const T* from, const T* to) {
        if (from == to) return;
        const auto first = values_->begin() + (from - values_->data());
        values_->erase(first, first + (to - from));
    }

    void erase(const T* at) { erase(at, at + 1); }

    void clear() {
        if (values_ != nullptr) values_->clear();
    }

    // What is in it; it is empty then.
    Vector take() { return values_ == nullptr ? Vector() : std::exchange(*values_, {}); }

    // To change in ways that are not named here.
    Vector& fill() {
        if (values_ == nullptr) values_ = std::make_unique<Vector>();
        return *values_;
    }

private:
    std::unique_ptr<Vector> values_;
};

template <class T, class Predicate>
void erase_if(SeldomVector<T>& values, Predicate predicate) {
    if (!values.empty()) std::erase_if(values.fill(), predicate);
}

// The same of a std::string.
class SeldomString {
public:
    bool empty() const { return text_ == nullptr || text_->empty(); }

    std::string_view view() const { return text_ == nullptr ? std::string_view() : *text_; }

    operator std::string_view() const { return view(); }

    SeldomString& operator=(std::string_view text) {
        if (!text.empty() || text_ != nullptr) fill() = text;
        return *this;
    }

    void clear() {
        if (text_ != nullptr) text_->clear();
    }

    // What is in it; it is empty then.
    std::string take() { return text_ == nullptr ? std::string() : std::exchange(*text_, {}); }

    std::string& fill() {
        if (text_ == nullptr) text_ = std::make_unique<std::string>();
        return *text_;
    }

private:
    std::unique_ptr<std::string> text_;
};

}  // namespace weir::proxy
