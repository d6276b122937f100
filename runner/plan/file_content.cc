#include "plan/file_content.h"

#include "base/json.h"
#include "base/text.h"

namespace runner {
namespace {

constexpr char kDigits[] = "0123456789abcdef";

/// Whether JSON keeps it: what is not UTF-8 would be replaced there.
bool IsText(std::string_view bytes) {
  const auto kept = ParseJson(JsonText(Json(std::string(bytes))));
  return kept.ok() && kept->get_ref<const std::string&>() == bytes;
}

}  // namespace

FileContent EncodeContent(std::string_view bytes) {
  if (IsText(bytes)) return {.text = std::string(bytes), .is_hex = false};
  FileContent content{.text = {}, .is_hex = true};
  content.text.reserve(2 * bytes.size());
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    content.text += kDigits[byte >> 4];
    content.text += kDigits[byte & 15];
  }
  return content;
}

Result<std::string> DecodeContent(const FileContent& content) {
  if (!content.is_hex) return content.text;
  if (content.text.size() % 2 != 0) return Fail("read a file's content", "it has half a byte");
  std::string bytes;
  bytes.reserve(content.text.size() / 2);
  for (std::size_t i = 0; i < content.text.size(); i += 2) {
    const auto high = HexDigit(content.text[i]);
    const auto low = HexDigit(content.text[i + 1]);
    if (!high || !low) return Fail("read a file's content", "it is not in hex");
    bytes += static_cast<char>(*high << 4 | *low);
  }
  return bytes;
}

}  // namespace runner
