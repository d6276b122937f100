#include "base/error.h"

#include <cctype>
#include <cstring>

namespace runner {

std::string Error::text() const {
  std::string out;
  for (const std::string& part : {where, tried}) {
    if (part.empty()) continue;
    out += part;
    out += ": ";
  }
  return out + why;
}

Error Error::Wrap(std::string_view object) && {
  where = where.empty() ? std::string(object) : std::string(object) + ": " + where;
  return std::move(*this);
}

Error SystemError(int code, std::string tried) {
  // The GNU variant is safe in threads and returns the text.
  char buffer[128];
  std::string why = strerror_r(code, buffer, sizeof buffer);
  // The C library's sentences begin with a capital, ours do not; abbreviations ("RPC …") stay.
  if (why.size() > 1 && std::isupper(static_cast<unsigned char>(why[0])) != 0 &&
      std::islower(static_cast<unsigned char>(why[1])) != 0) {
    why[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(why[0])));
  }
  return Error{.where = {}, .tried = std::move(tried), .why = std::move(why), .code = code};
}

Error Fail(std::string why) { return Error{.where = {}, .tried = {}, .why = std::move(why)}; }

Error Fail(std::string tried, std::string why) {
  return Error{.where = {}, .tried = std::move(tried), .why = std::move(why)};
}

}  // namespace runner
