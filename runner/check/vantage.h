// Where a check is made from: a node of the lab, or outside of it. Sockets stay in the namespace where they were
// opened, so one process probes from everywhere and no node needs a tool of its own.
#pragma once
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "check/address_book.h"
#include "check/wait.h"

namespace runner::check {

/// What a command said and how it ended.
struct Output {
  int status = 0;
  std::string out = {};
  std::string err = {};
  bool was_late = false;  // it was ended because its time was over
};

class Vantage {
 public:
  Vantage() = default;
  Vantage(const Vantage&) = delete;
  Vantage& operator=(const Vantage&) = delete;
  virtual ~Vantage() = default;

  /// socket(2) there, which does not block and is close-on-exec.
  virtual Result<Fd> OpenSocket(int domain, int type, int protocol) = 0;
  /// Runs a command as `exec` does.
  virtual Result<Output> Run(const std::vector<std::string>& command, std::chrono::milliseconds limit) = 0;
  /// The texts of /etc/hosts and /etc/resolv.conf as they are seen there; empty where there are none.
  virtual std::string HostsFile() = 0;
  virtual std::string ResolverFile() = 0;
};

/// What checks need to know of the lab that they are made in.
struct Lab {
  AddressBook book = {};
  /// By the node's name, or "outside". What it returns lives as long as this object.
  std::function<Result<Vantage*>(const std::string& place)> at = {};
  const volatile int* interrupted = nullptr;
};

}  // namespace runner::check
