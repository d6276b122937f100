#include "topology/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>
#include <unordered_map>

#include "base/text.h"
#include "topology/yaml_text.h"

namespace runner {
namespace {

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxNodes = 1'000'000;

using Kind = YamlNode::Kind;
using Style = YamlNode::Style;

/// Builds the tree. A mistake ends the building but not the events: yaml-cpp can only be stopped by an exception.
class Builder : public YAML::EventHandler {
 public:
  Builder(YamlText& text, YamlTree& tree, Diagnostics& diagnostics)
      : text_(text), tree_(tree), diagnostics_(diagnostics) {}

  YamlNode* root() const { return failed_ ? nullptr : root_; }
  bool failed() const { return failed_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0) {
      Fail(text_.At(mark.pos, 1), "one document a file: a second one begins here");
    }
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (failed_) return;
    const TokenPlace place = text_.Token(mark.pos);
    YamlNode* node = tree_.New();
    node->text = NullText(place);
    node->at = node->text.empty() ? text_.BeforeBlank(mark.pos) : place.at;
    AddLeaf(node, anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (failed_) return;
    const Position at = text_.Token(mark.pos).at;
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) return Fail(at, "the alias stands inside of what it is an alias of: a cycle");
    YamlNode* node = tree_.New(*found->second.node);
    node->at = at;
    Count(found->second.size, at);
    CheckDepth(stack_.size() + found->second.height, at);
    Attach(node, found->second.size, found->second.height);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    if (failed_) return;
    const TokenPlace place = text_.Token(mark.pos);
    YamlNode* node = tree_.New();
    node->kind = Kind::kScalar;
    node->at = place.at;
    node->text = value;
    node->style = place.quoted ? Style::kQuoted : Style::kPlain;
    // The library takes the end of the file for the closing quote.
    if (place.quoted && !text_.IsClosed(mark.pos)) return Fail(place.at, "this is no YAML: the quote is not closed");
    if (tag == "!" || tag == "tag:yaml.org,2002:str") {
      node->style = Style::kQuoted;
    } else if (tag == "tag:yaml.org,2002:int" || tag == "tag:yaml.org,2002:bool" || tag == "tag:yaml.org,2002:float" ||
               tag == "tag:yaml.org,2002:null") {
      node->style = Style::kSubstituted;
      if (TypeOf(*node) == ScalarType::kNull) node->kind = Kind::kNull;
    } else if (tag != "?") {
      return Fail(place.at, "the tag " + Quote(tag) + " is not known here");
    }
    AddLeaf(node, anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(Kind::kSequence, mark, tag, "tag:yaml.org,2002:seq", anchor);
  }
  void OnSequenceEnd() override { Close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    Open(Kind::kMap, mark, tag, "tag:yaml.org,2002:map", anchor);
    if (failed_) return;
    YamlNode* map = stack_.back().node;
    map->single_pair = style == YAML::EmitterStyle::Flow && text_.ByteAt(mark.pos) != '{' &&
                       text_.ByteAt(mark.pos) != '&' && text_.ByteAt(mark.pos) != '!';
  }
  void OnMapEnd() override { Close(); }

  void Fail(Position at, std::string why) {
    if (!failed_) diagnostics_.Wrong(at, "", std::move(why));
    failed_ = true;
  }

 private:
  struct Frame {
    YamlNode* node = nullptr;
    const YamlNode* key = nullptr;  // read, its value is not
    YAML::anchor_t anchor = 0;
    std::size_t size = 1;
    std::size_t height = 1;
  };
  struct Anchored {
    const YamlNode* node = nullptr;
    std::size_t size = 1;
    std::size_t height = 1;
  };

  static std::string NullText(const TokenPlace& place) {
    for (const std::string_view text : {"~", "null", "Null", "NULL"}) {
      if (place.text == text) return std::string(text);
    }
    return {};
  }

  void Count(std::size_t nodes, Position at) {
    count_ += nodes;
    if (count_ > kMaxNodes) Fail(at, "more than a million nodes, with what aliases stand for");
  }
  void CheckDepth(std::size_t depth, Position at) {
    if (depth > kMaxDepth) Fail(at, "nested more than 64 deep");
  }

  void AddLeaf(YamlNode* node, YAML::anchor_t anchor) {
    Count(1, node->at);
    if (anchor != YAML::NullAnchor) anchors_[anchor] = {node, 1, 1};
    Attach(node, 1, 1);
  }

  void Open(Kind kind, const YAML::Mark& mark, const std::string& tag, std::string_view own_tag,
            YAML::anchor_t anchor) {
    if (failed_) return;
    const TokenPlace place = text_.Token(mark.pos);
    if (tag != "?" && tag != "!" && tag != own_tag) {
      return Fail(place.at, "the tag " + Quote(tag) + " is not known here");
    }
    YamlNode* node = tree_.New();
    node->kind = kind;
    node->at = place.at;
    Count(1, node->at);
    stack_.push_back({.node = node, .anchor = anchor});
    CheckDepth(stack_.size(), node->at);
  }

  void Close() {
    if (failed_) return;
    const Frame frame = stack_.back();
    stack_.pop_back();
    if (frame.anchor != YAML::NullAnchor) anchors_[frame.anchor] = {frame.node, frame.size, frame.height};
    Attach(frame.node, frame.size, frame.height);
  }

  /// Puts a finished node into what is open.
  void Attach(YamlNode* node, std::size_t size, std::size_t height) {
    if (failed_) return;
    if (stack_.empty()) {
      root_ = node;
      return;
    }
    Frame& parent = stack_.back();
    parent.size += size;
    parent.height = std::max(parent.height, height + 1);
    if (parent.node->is_sequence()) {
      parent.node->items.push_back(node);
    } else if (parent.key == nullptr) {
      if (node->is_null()) node->kind = Kind::kScalar;
      if (!node->is_scalar()) return Fail(node->at, "a key must be a word, not a list or a map");
      parent.key = node;
    } else {
      // An empty value has no place of its own: its key's is where one looks.
      if (node->is_null() && node->text.empty()) node->at = parent.key->at;
      parent.node->entries.push_back({.key = parent.key, .value = node});
      parent.key = nullptr;
    }
  }

  YamlText& text_;
  YamlTree& tree_;
  Diagnostics& diagnostics_;
  std::vector<Frame> stack_;
  std::unordered_map<YAML::anchor_t, Anchored> anchors_;
  YamlNode* root_ = nullptr;
  std::size_t count_ = 0;
  int documents_ = 0;
  bool failed_ = false;
};

/// The library's sentence, in lower case and without its full stop.
std::string OwnWords(std::string message) {
  if (!message.empty() && message[0] >= 'A' && message[0] <= 'Z') message[0] = static_cast<char>(message[0] + 32);
  return message;
}

/// A syntax error, or what most often lies behind it.
void ReportSyntax(const YAML::Exception& thrown, YamlText& text, Diagnostics& diagnostics) {
  const int pos = thrown.mark.is_null() ? 0 : thrown.mark.pos;
  if (const auto at = text.UnquotedReference(pos)) {
    diagnostics.Wrong(*at, "", "`${…}` must be in quotes here: in {} and [] YAML takes the brace for its own");
    return;
  }
  if (const auto tab = text.LeadingTab(pos)) {
    diagnostics.Wrong(*tab, "", "a tab in the indentation: YAML indents with blanks only");
    return;
  }
  diagnostics.Wrong(text.At(pos, 1), "", "this is no YAML: " + OwnWords(thrown.msg));
}

}  // namespace

const YamlNode* YamlNode::Find(std::string_view key) const {
  for (const YamlEntry& entry : entries) {
    if (entry.key->text == key) return entry.value;
  }
  return nullptr;
}

YamlNode* ParseYaml(std::string_view source, YamlTree& tree, Diagnostics& diagnostics) {
  if (source.size() > kMaxTextBytes) {
    diagnostics.Wrong({}, "", "the file is larger than 16 MiB");
    return nullptr;
  }
  YamlText text(source);
  if (const auto bad = text.FindIllFormed()) {
    diagnostics.Wrong(bad->at, "", bad->why);
    return nullptr;
  }
  Builder builder(text, tree, diagnostics);
  try {
    std::istringstream stream{std::string(source)};
    YAML::Parser parser(stream);
    while (!builder.failed() && parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& thrown) {
    if (!builder.failed()) ReportSyntax(thrown, text, diagnostics);
    return nullptr;
  }
  if (builder.failed()) return nullptr;
  if (builder.root() == nullptr || builder.root()->is_null()) {
    diagnostics.Wrong({.line = 1, .column = 1}, "", "the file is empty");
    return nullptr;
  }
  return builder.root();
}

}  // namespace runner
