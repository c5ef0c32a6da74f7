// C functions over libtorch's c10d: a store of keys and values, and collectives over Gloo.
//
// Every function returns null, or the text of an error, which the caller frees with
// `l3net_c10d_free`. No exception leaves it.

#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

C10_DECLARE_int(caffe2_log_level);

namespace {

using std::chrono::milliseconds;

struct Store {
  c10::intrusive_ptr<c10d::Store> store;
};

struct Group {
  c10::intrusive_ptr<c10d::ProcessGroupGloo> group;
};

struct Work {
  c10::intrusive_ptr<c10d::Work> work;
};

// Told where there is no memory for a text.
char out_of_memory[] = "out of memory";

// The first line: what follows are places in libtorch.
char* text_of(const char* what) noexcept {
  char* copy = strndup(what, strcspn(what, "\n"));
  return copy ? copy : out_of_memory;
}

template <typename F>
char* guarded(F&& body) noexcept {
  try {
    body();
    return nullptr;
  } catch (const c10::Error& error) {
    return text_of(error.what_without_backtrace());
  } catch (const std::exception& error) {
    return text_of(error.what());
  } catch (...) {
    return text_of("an unknown exception of libtorch");
  }
}

std::vector<uint8_t> bytes_of(const uint8_t* bytes, size_t len) {
  return std::vector<uint8_t>(bytes, bytes + len);
}

// Hands bytes over to the caller.
void give(const std::vector<uint8_t>& value, uint8_t** out, size_t* len) {
  auto* copy = static_cast<uint8_t*>(malloc(value.size() + 1));
  if (!copy) {
    throw std::bad_alloc();
  }
  std::copy(value.begin(), value.end(), copy);
  *out = copy;
  *len = value.size();
}

} // namespace

extern "C" {

void l3net_c10d_free(void* pointer) {
  if (pointer != out_of_memory) {
    free(pointer);
  }
}

// c10d logs what it also throws; only the latter is told. 0 is INFO, 3 is FATAL.
void l3net_c10d_log_level(int level) {
  FLAGS_caffe2_log_level = level;
}

// A server on `port`, and a connection to it.
char* l3net_c10d_store_serve(uint16_t port, const char* prefix, int64_t timeout_ms, Store** out) {
  return guarded([&] {
    c10d::TCPStoreOptions options;
    options.port = port;
    options.isServer = true;
    options.waitWorkers = false;
    options.timeout = milliseconds(timeout_ms);
    auto store = c10::make_intrusive<c10d::TCPStore>("127.0.0.1", options);
    *out = new Store{c10::make_intrusive<c10d::PrefixStore>(prefix, store)};
  });
}

char* l3net_c10d_store_connect(
    const char* host,
    uint16_t port,
    const char* prefix,
    int64_t timeout_ms,
    Store** out) {
  return guarded([&] {
    c10d::TCPStoreOptions options;
    options.port = port;
    options.waitWorkers = false;
    options.timeout = milliseconds(timeout_ms);
    auto store = c10::make_intrusive<c10d::TCPStore>(host, options);
    *out = new Store{c10::make_intrusive<c10d::PrefixStore>(prefix, store)};
  });
}

void l3net_c10d_store_drop(Store* store) {
  guarded([&] { delete store; });
}

char* l3net_c10d_store_set(Store* store, const char* key, const uint8_t* value, size_t len) {
  return guarded([&] { store->store->set(key, bytes_of(value, len)); });
}

// Waits for the key, for as long as the store's timeout.
char* l3net_c10d_store_get(Store* store, const char* key, uint8_t** out, size_t* len) {
  return guarded([&] { give(store->store->get(key), out, len); });
}

char* l3net_c10d_store_has(Store* store, const char* key, int* out) {
  return guarded([&] { *out = store->store->check({key}); });
}

char* l3net_c10d_store_add(Store* store, const char* key, int64_t amount, int64_t* out) {
  return guarded([&] { *out = store->store->add(key, amount); });
}

// Sets the key if it is not there yet; the value that it has then.
char* l3net_c10d_store_set_first(
    Store* store,
    const char* key,
    const uint8_t* value,
    size_t len,
    uint8_t** out,
    size_t* out_len) {
  return guarded([&] { give(store->store->compareSet(key, {}, bytes_of(value, len)), out, out_len); });
}

// The values of `KEY/0` to `KEY/count-1`, which are all there, as numbers.
char* l3net_c10d_store_counts(Store* store, const char* key, size_t count, int64_t* out) {
  return guarded([&] {
    std::vector<std::string> keys;
    for (size_t i = 0; i < count; ++i) {
      keys.push_back(std::string(key) + "/" + std::to_string(i));
    }
    const auto values = store->store->multiGet(keys);
    for (size_t i = 0; i < count; ++i) {
      out[i] = std::stoll(std::string(values.at(i).begin(), values.at(i).end()));
    }
  });
}

// Connects `size` processes, each of which calls this. `host` is the address that others
// reach this one at, or an interface's name.
char* l3net_c10d_group_new(
    Store* store,
    int rank,
    int size,
    const char* host,
    int is_interface,
    int64_t timeout_ms,
    Group** out) {
  return guarded([&] {
    using c10d::ProcessGroupGloo;
    auto options = ProcessGroupGloo::Options::create(milliseconds(timeout_ms));
    options->devices.push_back(
        is_interface ? ProcessGroupGloo::createDeviceForInterface(host)
                     : ProcessGroupGloo::createDeviceForHostname(host));
    *out = new Group{
        c10::make_intrusive<ProcessGroupGloo>(store->store, rank, size, std::move(options))};
  });
}

void l3net_c10d_group_drop(Group* group) {
  guarded([&] { delete group; });
}

// The sum over all processes in the place of a dense tensor on the CPU.
char* l3net_c10d_all_reduce(Group* group, const at::Tensor* tensor, Work** out) {
  return guarded([&] {
    std::vector<at::Tensor> tensors{*tensor};
    *out = new Work{group->group->allreduce(tensors)};
  });
}

// The tensor of process 0, in that of every other.
char* l3net_c10d_broadcast(Group* group, const at::Tensor* tensor, Work** out) {
  return guarded([&] {
    std::vector<at::Tensor> tensors{*tensor};
    *out = new Work{group->group->broadcast(tensors)};
  });
}

// Waits so long, not for ever; `done` tells whether the work is.
char* l3net_c10d_work_wait(Work* work, int64_t timeout_ms, int* done) {
  *done = 0;
  return guarded([&] {
    try {
      work->work->wait(milliseconds(timeout_ms));
    } catch (...) {
      // Also thrown where the time is over.
      if (!work->work->isCompleted()) {
        return;
      }
      // Over by now, whatever was thrown: this throws only what ended it.
      work->work->wait(milliseconds(timeout_ms));
    }
    *done = 1;
  });
}

void l3net_c10d_work_drop(Work* work) {
  guarded([&] { delete work; });
}

} // extern "C"
