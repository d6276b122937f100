#include "topology/impairment_words.h"

#include "base/text.h"
#include "topology/decode.h"

namespace runner {
namespace {

/// Puts the words into the map that the file would have.
class WordReader {
 public:
  WordReader(std::span<const std::string> words, const Reporter& reporter) : words_(words), reporter_(reporter) {
    map_.kind = YamlNode::Kind::kMap;
  }

  const YamlNode& Read() {
    while (!words_.empty()) ReadOne();
    return map_;
  }

 private:
  std::string Take() {
    std::string word = words_.front();
    words_ = words_.subspan(1);
    return word;
  }

  /// Whether a value comes next: no key, with its value or without.
  bool HasValue() const {
    return !words_.empty() && words_.front().find('=') == std::string::npos && !IsImpairmentKey(words_.front());
  }

  void ReadOne() {
    std::string key = Take();
    if (const std::size_t equals = key.find('='); equals != std::string::npos) {
      Put(key.substr(0, equals), key.substr(equals + 1));
      return;
    }
    if (key == "loss" && HasValue() && words_.front() == "random") Take();
    if (!HasValue()) {
      // A key that is none is told as that.
      if (!IsImpairmentKey(key)) return Put(key, "");
      reporter_.Wrong({}, "the value of " + Quote(key) + " is missing");
      return;
    }
    Put(key, Take());
    if (key != "delay") return;
    for (const char* behind : {"jitter", "correlation"}) {
      if (HasValue() && IsNumber(words_.front())) Put(behind, Take());
    }
  }

  static bool IsNumber(const std::string& word) { return !word.empty() && word[0] >= '0' && word[0] <= '9'; }

  void Put(const std::string& key, std::string value) {
    if (map_.Find(key) != nullptr) {
      reporter_.Wrong({}, Quote(key) + " is given twice");
      return;
    }
    YamlNode* name = Scalar(key);
    map_.entries.push_back({.key = name, .value = Scalar(std::move(value))});
  }

  YamlNode* Scalar(std::string text) {
    YamlNode* node = tree_.New();
    node->kind = YamlNode::Kind::kScalar;
    node->text = std::move(text);
    return node;
  }

  std::span<const std::string> words_;
  const Reporter& reporter_;
  YamlTree tree_;
  YamlNode map_;
};

}  // namespace

Result<Impairment, Errors> ParseImpairment(std::span<const std::string> words, const std::string& where) {
  Diagnostics diagnostics;
  const Reporter reporter(diagnostics, where);
  WordReader reader(words, reporter);
  const auto impairment = DecodeImpairment(reader.Read(), reporter);
  if (impairment && !diagnostics.has_errors()) return *impairment;
  Errors errors = diagnostics.Finish("", "");
  for (Error& error : errors) error.failure = Failure::kUsage;
  return errors;
}

}  // namespace runner
