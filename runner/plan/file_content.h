// The bytes of a file as a field that the journal can keep: text as it is, other bytes in hex.
#pragma once
#include <string>
#include <string_view>

#include "base/error.h"

namespace runner {

struct FileContent {
  std::string text = {};
  bool is_hex = false;
  friend bool operator==(const FileContent&, const FileContent&) = default;
};

/// Bytes that are UTF-8 are text.
FileContent EncodeContent(std::string_view bytes);
Result<std::string> DecodeContent(const FileContent& content);

}  // namespace runner
