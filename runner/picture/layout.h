// Where the boxes and cables of a drawing stand. Graphviz's `dot` decides it, as a process: its licence (EPL) does not
// go with ours. It is told how large each thing is, so no font of its own has a say.
#pragma once
#include <string>
#include <vector>

#include "base/error.h"
#include "picture/drawing.h"

namespace runner {

// Lengths are in pixels, y grows downwards.
struct DrawnPoint {
  double x = 0;
  double y = 0;
  friend bool operator==(const DrawnPoint&, const DrawnPoint&) = default;
};

struct DrawnArea {
  DrawnPoint centre;
  double width = 0;
  double height = 0;
  bool Overlaps(const DrawnArea& other) const;
  friend bool operator==(const DrawnArea&, const DrawnArea&) = default;
};

struct PlacedCable {
  /// Cubic Bézier curves one after the other: the start, then three points each.
  std::vector<DrawnPoint> curve;
  DrawnArea label;                 // no height when there is none
  std::vector<std::string> lines;  // the label's; of the two ends' names the upper or left one first
};

struct Layout {
  double width = 0;
  double height = 0;
  std::vector<DrawnArea> boxes;     // as in the drawing
  std::vector<PlacedCable> cables;  // as in the drawing
};

// The letters of a picture are of one width; see PictureStyle.
inline constexpr double kLetterWidth = 6.7;
inline constexpr double kNameLetterWidth = 8.0;
inline constexpr double kLineHeight = 14;
inline constexpr double kNameHeight = 18;

/// What stands below a box's name: no more than a box can hold, with the count of the rest.
std::vector<std::string> BoxLines(const DrawnBox& box);

/// What `dot -Tjson0` is asked.
std::string LayoutRequest(const Drawing& drawing);
/// Its answer; an error where it is none.
Result<Layout> ReadLayout(const Drawing& drawing, const std::string& answer);

/// A picture of its own, for light and dark.
std::string SvgText(const Drawing& drawing, const Layout& layout);
/// A page that needs no other file: the picture, with pan, zoom, search and the sections of each box.
std::string PageText(const Drawing& drawing, const Layout& layout);

}  // namespace runner
