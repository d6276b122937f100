// One test: its steps in order, and what it changed put back.
#pragma once
#include <string_view>
#include <vector>

#include "check/changes.h"
#include "check/reading.h"
#include "check/verdict.h"

namespace runner::check {

/// The first step that fails, or cannot be done here, ends it. What it changed is put back in any case.
TestVerdict RunTest(const Test& test, const Lab& lab, Changes& changes);

bool ChangesAnything(const Test& test);
/// Whether any check is made from outside.
bool LooksFromOutside(const Test& test);

/// The tests whose names fit the glob(7); empty: all of them.
std::vector<Test> SelectTests(const std::vector<Test>& tests, const std::string& pattern);

}  // namespace runner::check
