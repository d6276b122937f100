// The boxes of a drawing from the outside inwards.
#pragma once
#include <cstddef>
#include <vector>

#include "picture/drawing.h"

namespace runner {

/// Where a walk over the cables comes first to each box. It begins at uplinks and the host, else at the box with most
/// cables, once in each part that hangs together; nearer boxes come first.
struct DrawnTree {
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  struct Ends {
    std::size_t a = 0;  // boxes
    std::size_t b = 0;
    std::size_t Far(std::size_t near) const { return near == a ? b : a; }
  };
  std::vector<Ends> ends;                        // of each cable
  std::vector<std::vector<std::size_t>> cables;  // of each box
  std::vector<std::size_t> order;                // boxes, as they were reached
  std::vector<std::size_t> place;                // of each box in `order`
  std::vector<std::size_t> parent;               // of each box; kNone at a root
  std::vector<std::size_t> cable;                // of each box, the one to its parent
};
DrawnTree WalkTree(const Drawing& drawing);

}  // namespace runner
