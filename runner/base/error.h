// What went wrong, said once and in one shape: where, what was tried, why. Result<T> carries either a value
// or such an Error; TRY passes the error on. No code of ours throws.
#pragma once
#include <cassert>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace runner {

/// A place in the topology file: line and column count from 1, in characters; `width` is the token's length,
/// at least 1. Line 0 means "no place".
struct Position {
  int line = 0;
  int column = 0;
  int width = 1;
  bool known() const { return line > 0; }
  friend auto operator<=>(const Position&, const Position&) = default;
};

/// The exit statuses of the command line that an error can lead to.
enum class Failure {
  kRuntime = 1,       // something failed while it was being done
  kUsage = 2,         // the command line is wrong
  kTopology = 3,      // the file is wrong; nothing was touched
  kConflict = 4,      // something that is not the lab's stands in the way; nothing was touched
  kInterrupted = 130  // SIGINT or SIGTERM
};

enum class Severity { kError, kWarning };

/// The second place of a conflict, or a hint; printed below the error.
struct Note {
  Position at;
  std::string text;
  std::string excerpt = {};  // the source line `at` is in; empty without a place
  int excerpt_column = 1;    // the column at which `excerpt` begins: of a very long line only a part is kept
};

/// One mistake or failure. `text()` is its first line, without the "FILE:LINE:COLUMN: " that the printer adds.
struct Error {
  std::string where;  // the object, as the user named it: `link "r1:eth0--r2:eth0"`; may be empty
  std::string tried;  // "add via 10.0.0.254"; may be empty
  std::string why;    // "network is unreachable (kernel: \"Nexthop has invalid gateway\")"
  int code = 0;       // errno where the system refused, else 0
  Failure failure = Failure::kRuntime;
  Severity severity = Severity::kError;
  std::string file = {};  // the topology file, where the error is in one
  Position at = {};
  std::string excerpt = {};  // the source line `at` is in
  std::vector<Note> notes = {};
  int excerpt_column = 1;  // as in Note

  std::string text() const;

  /// Puts `object` in front when the error does not say yet where it happened, else in front of what it says.
  Error Wrap(std::string_view object) &&;
};

using Errors = std::vector<Error>;

/// Where the system call `tried` failed with `code`: why is the C library's sentence in lower case.
Error SystemError(int code, std::string tried);
/// A failure that is no system call's.
Error Fail(std::string why);
Error Fail(std::string tried, std::string why);

/// A value, or why there is none.
template <class T, class E = Error>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT(google-explicit-constructor)
  Result(E error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() & {
    assert(ok());
    return *std::get_if<0>(&state_);
  }
  const T& value() const& {
    assert(ok());
    return *std::get_if<0>(&state_);
  }
  T&& value() && {
    assert(ok());
    return std::move(*std::get_if<0>(&state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  E& error() & {
    assert(!ok());
    return *std::get_if<1>(&state_);
  }
  const E& error() const& {
    assert(!ok());
    return *std::get_if<1>(&state_);
  }
  E&& error() && {
    assert(!ok());
    return std::move(*std::get_if<1>(&state_));
  }
  /// Adds the object's name to the error, if there is one.
  Result Wrap(std::string_view object) && {
    if (ok()) return std::move(*this);
    return Result(std::move(error()).Wrap(object));
  }

 private:
  std::variant<T, E> state_;
};

/// Done, or why not.
template <class E>
class [[nodiscard]] Result<void, E> {
 public:
  Result() = default;
  Result(E error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  void value() const {}
  E& error() & {
    assert(!ok());
    return *error_;
  }
  const E& error() const& {
    assert(!ok());
    return *error_;
  }
  E&& error() && {
    assert(!ok());
    return std::move(*error_);
  }
  Result Wrap(std::string_view object) && {
    if (ok()) return {};
    return Result(std::move(*error_).Wrap(object));
  }

 private:
  std::optional<E> error_;
};

using Status = Result<void>;

}  // namespace runner

/// The value of a Result, or a return of its error from the enclosing function. Each use names its temporary anew, so
/// that one may stand inside another.
#define TRY(...) TRY_NAMED(__COUNTER__, __VA_ARGS__)
#define TRY_NAMED(number, ...) TRY_AS(number, __VA_ARGS__)
#define TRY_AS(number, ...)                                                       \
  __extension__({                                                                 \
    auto try_result_##number = (__VA_ARGS__);                                     \
    if (!try_result_##number.ok()) return std::move(try_result_##number).error(); \
    std::move(try_result_##number).value();                                       \
  })
