#include "kernel/nftables_user.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <utility>

#include "base/json.h"
#include "base/text.h"

namespace runner::kernel {
namespace {

// Stands in the rehearsal as other people's tables would in the namespace.
const TableId kCanary{.family = "inet", .name = "toporun_canary"};

bool Holds(const std::vector<TableId>& tables, const TableId& table) {
  return std::find(tables.begin(), tables.end(), table) != tables.end();
}

/// The names come from the library's own listings, but stand in text here: nothing that text would read otherwise.
bool IsPlainName(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.' || c == '/';
  });
}

/// One line that leaves no such table, whether there is one or not.
std::string DropLine(const TableId& table) {
  return fmt::format("add table {0} {1}; delete table {0} {1}\n", table.family, table.name);
}

/// Whether the text might reach the runner's own tables; asking too often costs a listing and nothing else.
bool MayTouchOwnTables(const UserRules& rules) {
  if (rules.text.find("ruleset") != std::string::npos || rules.text.find("include") != std::string::npos) return true;
  return std::any_of(rules.own_tables.begin(), rules.own_tables.end(),
                     [&](const TableId& own) { return rules.text.find(own.name) != std::string::npos; });
}

/// The user's text among lines of ours.
struct Batch {
  std::string text;
  int lines_before = 0;
  int lines_of_user = 0;

  void Before(std::string_view line) {
    text += line;
    ++lines_before;
  }
  void Add(std::string_view user_text) {
    text += user_text;
    lines_of_user = static_cast<int>(std::count(user_text.begin(), user_text.end(), '\n')) + 1;
    // Twice, in case the user's last line ends in a backslash.
    text += "\n\n";
  }

  void Move(Position& at, std::string& excerpt) const {
    if (!at.known()) return;
    at.line -= lines_before;
    if (at.line >= 1 && at.line <= lines_of_user) return;
    // Behind the text: the library missed something at its end.
    at = at.line < 1 ? Position{} : Position{.line = lines_of_user, .column = 1, .width = 1};
    excerpt.clear();
  }
  Error Moved(Error error) const {
    Move(error.at, error.excerpt);
    for (Note& note : error.notes) Move(note.at, note.excerpt);
    return error;
  }
};

Result<Batch> MakeBatch(const UserRules& rules, const std::vector<TableId>& dropped) {
  Batch batch;
  for (const TableId& table : dropped) {
    if (!IsPlainName(table.name) || !IsPlainName(table.family)) {
      return Error{.where = "nftables table " + Quote(table.text()),
                   .tried = "replace",
                   .why = "this name cannot be written in nftables text"};
    }
    batch.Before(DropLine(table));
  }
  batch.Add(rules.text);
  return batch;
}

/// The tables that the text makes when it is loaded alone, with the lost canary as an error where others' tables stand.
Result<std::vector<TableId>> RehearseText(NftWorker& worker, const UserRules& rules) {
  Batch batch;
  if (rules.owner == NamespaceOwner::kSomebodyElse) {
    batch.Before(fmt::format("add table {} {}\n", kCanary.family, kCanary.name));
  }
  batch.Add(rules.text);
  auto tables = worker.Rehearse(batch.text, NftInput::kText, rules.interfaces);
  if (!tables) return batch.Moved(std::move(tables).error());
  if (rules.owner == NamespaceOwner::kSomebodyElse) {
    if (!Holds(*tables, kCanary)) {
      return Error{.where = "nftables",
                   .tried = "",
                   .why =
                       "the text flushes the ruleset of a namespace that is not the lab's alone: name the tables "
                       "that it makes and leave `flush ruleset` out",
                   .failure = Failure::kConflict};
    }
    tables->erase(std::remove(tables->begin(), tables->end(), kCanary), tables->end());
  }
  return tables;
}

/// The own tables that stand, as text that makes them again.
Result<std::string> OwnTablesText(NftWorker& worker, int ns_fd, const std::vector<TableId>& own_tables) {
  std::string text;
  for (const TableId& table : own_tables) {
    const std::string request = fmt::format("list table {} {}", table.family, table.name);
    auto listing = worker.Run(ns_fd, request, NftInput::kText);
    if (!listing && listing.error().code == ENOENT) continue;
    if (!listing) return std::move(listing).error();
    text += DropLine(table) + *listing + "\n";
  }
  return text;
}

}  // namespace

Result<std::vector<LoadedTable>> LoadUserRules(NftWorker& worker, int ns_fd, const UserRules& rules) {
  const std::vector<TableId> before = TRY(worker.ListTables(ns_fd));
  const auto is_foreign = [&](const TableId& table) {
    return Holds(before, table) && !Holds(rules.old_tables, table) && !Holds(rules.own_tables, table);
  };
  if (rules.owner == NamespaceOwner::kSomebodyElse) {
    for (const TableId& table : TRY(RehearseText(worker, rules))) {
      if (!is_foreign(table)) continue;
      return Error{.where = "nftables table " + Quote(table.text()),
                   .tried = "",
                   .why = "is there already and not the lab's: the text must use another name",
                   .failure = Failure::kConflict};
    }
  }

  Batch batch = TRY(MakeBatch(rules, rules.old_tables));
  if (MayTouchOwnTables(rules)) batch.text += TRY(OwnTablesText(worker, ns_fd, rules.own_tables));
  auto loaded = worker.Run(ns_fd, batch.text, NftInput::kText);
  if (!loaded) return batch.Moved(std::move(loaded).error());

  std::vector<TableId> made;
  for (const TableId& table : TRY(worker.ListTables(ns_fd))) {
    if (!is_foreign(table) && !Holds(rules.own_tables, table)) made.push_back(table);
  }
  return ReadTables(worker, ns_fd, made);
}

Status CheckUserRules(NftWorker& worker, const UserRules& rules) {
  TRY(RehearseText(worker, rules));
  return {};
}

Result<std::vector<LoadedTable>> ReadTables(NftWorker& worker, int ns_fd, const std::vector<TableId>& tables) {
  std::vector<LoadedTable> read;
  for (const TableId& table : tables) {
    auto listing = worker.ListTable(ns_fd, table);
    if (!listing && listing.error().code == ENOENT) continue;
    if (!listing) return std::move(listing).error();
    read.push_back({.id = table, .listing = NormalListing(*listing)});
  }
  return read;
}

}  // namespace runner::kernel
