// One exception type, carrying the Python exception class that it becomes.
// Messages read: [op] expected ..., received .... What to do.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace tahr {

enum class ErrorKind { Value, Type, Index, Runtime, Memory, NotImplemented };

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, std::string message) : std::runtime_error(std::move(message)), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

template <class... Args>
std::string concat(const Args&... args) {
  std::ostringstream s;
  (s << ... << args);
  return s.str();
}

template <class... Args>
[[noreturn]] void throw_value(const Args&... args) {
  throw Error(ErrorKind::Value, concat(args...));
}
template <class... Args>
[[noreturn]] void throw_type(const Args&... args) {
  throw Error(ErrorKind::Type, concat(args...));
}
template <class... Args>
[[noreturn]] void throw_index(const Args&... args) {
  throw Error(ErrorKind::Index, concat(args...));
}
template <class... Args>
[[noreturn]] void throw_runtime(const Args&... args) {
  throw Error(ErrorKind::Runtime, concat(args...));
}

}  // namespace tahr
