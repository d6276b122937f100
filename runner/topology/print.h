// A topology as a document of the language: maps and lists that PrintYaml and PrintJson write out. Strings are
// escaped already where the loader would substitute in them.
#pragma once
#include <string>
#include <string_view>

#include "base/json_fwd.h"
#include "topology/model.h"

namespace runner::print {

Json Document(const Topology& topology);

// One thing each, in the words of the language.
Json OfAddress(const Address& address);
Json OfRoute(const Route& route);
Json OfImpairment(const Impairment& impairment);
Json OfInterface(const Interface& interface);
Json OfNode(const Node& node);
Json OfProcess(const Process& process);
Json OfTest(const Test& test);

/// The keys that an interface's entry and a link's end have in common.
void AddCommon(const Interface& interface, Json& out);

/// `text` as the loader reads it back: `$` stands for itself only when doubled.
std::string Escaped(std::string_view text);
/// A setting of which only the text is kept: written as the number or the truth value that it looks like.
Json Scalar(const std::string& text);
/// 1500 ms as "1500ms", 2000 ms as "2s".
std::string Milliseconds(std::int64_t ms);
/// Adds an entry without the search for its key that `[]` begins with.
void Append(Json& object, const std::string& key, Json value);
Json Words(const std::vector<std::string>& words);

}  // namespace runner::print
