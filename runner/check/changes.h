// What a test changes, and what puts it back.
#pragma once
#include "base/error.h"
#include "topology/model.h"

namespace runner::check {

class Changes {
 public:
  Changes() = default;
  Changes(const Changes&) = delete;
  Changes& operator=(const Changes&) = delete;
  virtual ~Changes() = default;

  virtual Status Make(const LinkChange& change) = 0;
  virtual Status Make(const NodeChange& change) = 0;
  virtual Status Make(const ProcessChange& change) = 0;
  /// All of them, as the lab was before. Nothing changed: does nothing.
  virtual Errors PutBack() = 0;
};

}  // namespace runner::check
