// The helper's control socket: one JSON object a line, one answer a line; sockets may come along with a request.
// Whatever a client sends or does not send, frames go on: nothing here blocks, and what a client may use up is bounded.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "base/json_fwd.h"
#include "uplink/loop.h"

namespace runner {

/// The socket at FOLDER/NAME, in the hands of the process that knows the file system.
class ControlSocket {
 public:
  /// Takes the place of a file that a killed helper left. The calling process is the `peer` that clients see.
  static Result<ControlSocket> Listen(const std::string& folder, const std::string& name);

  int get() const { return listener_.get(); }
  int folder() const { return folder_.get(); }
  /// The next client: closed where there is none, or where it may not ask (root may, and `owner`); it has been told.
  Fd Accept(uid_t owner) const;
  /// Removes the file.
  void Remove() const;

 private:
  Fd folder_;
  std::string name_;
  Fd listener_;
};

class ControlServer {
 public:
  /// `sockets` came with the request.
  using Handle = std::function<Json(const Json& request, std::vector<Fd>& sockets)>;

  static constexpr std::size_t kLongestRequest = 1 << 20;  // a whole spec, with the names of a large lab
  static constexpr std::size_t kMostSockets = 64;          // of one request

  ControlServer(Loop& loop, Handle handle) : loop_(loop), handle_(std::move(handle)) {}
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;
  ~ControlServer();

  /// A client that was let in.
  void Serve(Fd client);

 private:
  struct Client {
    Fd socket;
    std::string in;
    std::string out;
    std::vector<Fd> sockets;
    bool last_answer = false;  // hang up after it
    Loop::TimerId timer = 0;
  };

  void Ready(int fd, short revents);
  ssize_t ReadInto(Client& client);
  void Reply(Client& client, const Json& answer);
  void Flush(int fd);
  void Drop(int fd);

  Loop& loop_;
  Handle handle_;
  std::map<int, Client> clients_;
};

/// {"ok": false, "error": TEXT}
Json ControlError(const std::string& text);

/// Asks the server at FOLDER/NAME and waits at most `limit_ms`. The error's code is ECONNREFUSED or ENOENT when nobody
/// listens, ETIMEDOUT when nobody answers. `peer` is the pid that listens; `sockets` go along with the request.
Result<Json> AskControl(const std::string& folder, const std::string& name, const Json& request, int limit_ms,
                        pid_t* peer = nullptr, std::span<const Fd> sockets = {});

}  // namespace runner
