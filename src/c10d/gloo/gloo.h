// Declarations of Gloo for c10d's header, which ships without them.
//
// `ProcessGroupGloo.hpp` names Gloo's classes only behind `shared_ptr`, `unique_ptr` and
// references, and derives from one of them: `GlooStore`, which `shim.cpp` never makes.
// So nothing here is ever instantiated, destroyed or called, and no layout is assumed. A
// name that were used in another way would fail to compile, or to link.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace gloo {

class Context {
 public:
  // Called by an inline function of the header that is not used here.
  void setTimeout(std::chrono::milliseconds timeout);
};

namespace transport {
class Device;
class UnboundBuffer;
} // namespace transport

namespace rendezvous {
class Store {
 public:
  virtual ~Store();
  virtual void set(const std::string&, const std::vector<char>&) = 0;
  virtual std::vector<char> get(const std::string&) = 0;
  virtual void wait(const std::vector<std::string>&) = 0;
  virtual void wait(const std::vector<std::string>&, const std::chrono::milliseconds&) = 0;
};
} // namespace rendezvous

} // namespace gloo
