// A value that is mostly absent and then takes no more room than a pointer: std::optional's interface over the heap.
#pragma once
#include <memory>
#include <optional>
#include <utility>

namespace runner {

template <class T>
class Rare {
 public:
  Rare() = default;
  // From and to what an optional is made of and from, as freely as that.
  // NOLINTBEGIN(google-explicit-constructor)
  Rare(std::nullopt_t) {}
  Rare(T value) : value_(std::make_unique<T>(std::move(value))) {}
  Rare(std::optional<T> value) : value_(value ? std::make_unique<T>(*std::move(value)) : nullptr) {}
  operator std::optional<T>() const { return value_ ? std::optional<T>(*value_) : std::nullopt; }
  // NOLINTEND(google-explicit-constructor)
  Rare(const Rare& other) : value_(other.value_ ? std::make_unique<T>(*other.value_) : nullptr) {}
  Rare(Rare&&) noexcept = default;
  Rare& operator=(Rare other) noexcept {
    value_ = std::move(other.value_);
    return *this;
  }

  bool has_value() const { return value_ != nullptr; }
  explicit operator bool() const { return has_value(); }
  const T& operator*() const { return *value_; }
  T& operator*() { return *value_; }
  const T* operator->() const { return value_.get(); }
  T* operator->() { return value_.get(); }

  void reset() { value_.reset(); }
  T& emplace() { return *(value_ = std::make_unique<T>()); }

  friend bool operator==(const Rare& a, const Rare& b) {
    return a.has_value() == b.has_value() && (!a.has_value() || *a == *b);
  }

 private:
  std::unique_ptr<T> value_;
};

}  // namespace runner
