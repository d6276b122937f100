#include "commands/error_codec.h"

#include "base/json.h"

namespace runner {
namespace {

Json Encode(const Position& at) { return Json::array({at.line, at.column, at.width}); }

Position DecodePosition(const Json& json) {
  return {.line = json[0].get<int>(), .column = json[1].get<int>(), .width = json[2].get<int>()};
}

Json Encode(const Note& note) {
  return {{"at", Encode(note.at)}, {"text", note.text}, {"excerpt", note.excerpt}, {"column", note.excerpt_column}};
}

Note DecodeNote(const Json& json) {
  return {.at = DecodePosition(json["at"]),
          .text = json["text"].get<std::string>(),
          .excerpt = json["excerpt"].get<std::string>(),
          .excerpt_column = json["column"].get<int>()};
}

Json Encode(const Error& error) {
  Json notes = Json::array();
  for (const Note& note : error.notes) notes.push_back(Encode(note));
  return {{"where", error.where},
          {"tried", error.tried},
          {"why", error.why},
          {"code", error.code},
          {"failure", static_cast<int>(error.failure)},
          {"severity", static_cast<int>(error.severity)},
          {"file", error.file},
          {"at", Encode(error.at)},
          {"excerpt", error.excerpt},
          {"notes", std::move(notes)},
          {"column", error.excerpt_column}};
}

Error DecodeError(const Json& json) {
  Error error{.where = json["where"].get<std::string>(),
              .tried = json["tried"].get<std::string>(),
              .why = json["why"].get<std::string>(),
              .code = json["code"].get<int>(),
              .failure = static_cast<Failure>(json["failure"].get<int>()),
              .severity = static_cast<Severity>(json["severity"].get<int>()),
              .file = json["file"].get<std::string>(),
              .at = DecodePosition(json["at"]),
              .excerpt = json["excerpt"].get<std::string>(),
              .notes = {},
              .excerpt_column = json["column"].get<int>()};
  for (const Json& note : json["notes"]) error.notes.push_back(DecodeNote(note));
  return error;
}

}  // namespace

Json EncodeErrors(const Errors& errors) {
  Json json = Json::array();
  for (const Error& error : errors) json.push_back(Encode(error));
  return json;
}

Errors DecodeErrors(const Json& json) {
  Errors errors;
  for (const Json& error : json) errors.push_back(DecodeError(error));
  return errors;
}

}  // namespace runner
