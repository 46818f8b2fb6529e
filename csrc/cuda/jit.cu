#include <unistd.h>

#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "cuda/direct.h"
#include "cuda/dispatch.h"
#include "cuda/jit.h"
#include "cuda/jit_call.h"
#include "cuda/nvrtc.h"
#include "cuda/queue.h"

namespace tahr::cuda {
namespace {

constexpr size_t kMostTensors = 96, kMostInstructions = 2048;
static_assert(sizeof(JitCall<kMostTensors>) <= 4096, "the parameters of a kernel end at 4 KiB on older drivers");
constexpr int64_t kMost32 = int64_t{1} << 31;

// Where a tensor lies in the whole, or false: by strides.
bool spread_of(const Shape& shape, const Shape& whole, Spread* s) {
  Cycle unused;
  if (shape.size() == whole.size()) *s = Spread::Contiguous;
  else if (shape.size() == 1) *s = Spread::Single;
  else if (whole.size() < kMost32 && cycle_of(shape, whole, &unused)) *s = Spread::Cyclic;
  else return false;
  return true;
}

}  // namespace

bool jit_wanted(bool traced) {
  static const std::string_view mode = [] {
    const char* v = std::getenv("TAHR_NVRTC");
    return std::string_view(v ? v : "");
  }();
  return mode == "always" || (traced && mode != "never");
}

// Machine code of one source for one architecture, and its functions on the devices that ran it.
struct JitProgram::Code {
  std::string source, architecture;
  std::mutex mutex;
  std::condition_variable compiled;
  bool done = false;
  std::string binary, why;
  std::unordered_map<int, driver::Function> functions;  // by device; null: it could not be loaded

  void compile() {
    std::string error;
    std::string code;
    try {
      code = nvrtc::compile(source, architecture, &error);
    } catch (const std::exception& e) { error = e.what(); }
    const std::lock_guard lock(mutex);
    binary = std::move(code), why = std::move(error);
    done = true;
    compiled.notify_all();
    if (!tells_dispatch()) return;
    if (binary.empty()) std::fprintf(stderr, "[dispatch] fused: interpreted, not compiled: %s\n", why.c_str());
    else
      std::fprintf(stderr, "[dispatch] fused: compiled by NVRTC for %s, %zu bytes\n", architecture.c_str(),
                   binary.size());
  }

  // Null: not here.
  driver::Function function() {
    std::unique_lock lock(mutex);
    compiled.wait(lock, [&] { return done; });
    const auto it = functions.find(device());
    if (it != functions.end()) return it->second;
    if (recording()) return nullptr;  // code is loaded outside of recordings
    driver::Function f = nullptr;
    if (!binary.empty()) {
      f = nvrtc::load(binary, kJitName, &why);
      if (!f && tells_dispatch()) std::fprintf(stderr, "[dispatch] fused: interpreted: %s\n", why.c_str());
    }
    return functions[device()] = f;
  }
};

// All programs of the process by their source; the threads that compile.
struct JitProgram::Cache {
  std::mutex mutex;
  std::condition_variable work;
  std::map<std::pair<std::string, std::string>, std::shared_ptr<Code>> codes;
  std::deque<std::shared_ptr<Code>> queue;
  int threads = 0, idle = 0, busy = 0;
  pid_t process = getpid();

  static Cache& get() {
    static auto* cache = [] {
      nvrtc::library();  // opened before the handler below is registered, so that it is there until that has run
      std::atexit([] { get().stop(); });
      return new Cache;
    }();
    return *cache;
  }

  std::shared_ptr<Code> find(std::string source, std::string architecture) {
    std::unique_lock lock(mutex);
    std::shared_ptr<Code>& code = codes[{source, architecture}];
    if (code) return code;
    code = std::make_shared<Code>();
    code->source = std::move(source), code->architecture = std::move(architecture);
    std::shared_ptr<Code> mine = code;
    if (getpid() != process) {  // a forked child has no threads
      lock.unlock();
      mine->compile();
      return mine;
    }
    queue.push_back(mine);
    if (idle < static_cast<int>(queue.size()) && threads < most_threads()) {
      ++threads;
      std::thread([this] { serve(); }).detach();
    }
    work.notify_one();
    return mine;
  }

  static int most_threads() {
    const unsigned n = std::thread::hardware_concurrency();
    return n < 1 ? 1 : n > 16 ? 16 : static_cast<int>(n);
  }

  void serve() {
    std::unique_lock lock(mutex);
    for (;;) {
      ++idle;
      work.wait(lock, [&] { return !queue.empty(); });
      --idle;
      const std::shared_ptr<Code> code = std::move(queue.front());
      queue.pop_front();
      ++busy;
      lock.unlock();
      code->compile();
      lock.lock();
      --busy;
      work.notify_all();
    }
  }

  // At the process's end: what is being compiled ends first, the rest is dropped.
  void stop() {
    if (getpid() != process) return;
    std::unique_lock lock(mutex);
    queue.clear();
    work.wait(lock, [&] { return busy == 0; });
  }
};

std::shared_ptr<JitProgram> JitProgram::begin(const ProgramBuilder& program, const Shape& whole,
                                              std::span<const Shape> in, std::span<const Shape> out) {
  if (in.size() + out.size() > kMostTensors || program.length() > kMostInstructions) return nullptr;
  if (!nvrtc::library().get()) {
    static std::once_flag once;
    std::call_once(once, [] {
      if (tells_dispatch()) std::fprintf(stderr, "[dispatch] fused: interpreted: %s\n", nvrtc::library().why().c_str());
    });
    return nullptr;
  }
  auto r = std::make_shared<JitProgram>();
  for (const std::span<const Shape> shapes : {in, out}) {
    for (const Shape& s : shapes) {
      Spread spread;
      if (!spread_of(s, whole, &spread)) return nullptr;
      r->spreads_.push_back(spread);
    }
  }
  JitSource source = program.source(r->spreads_);
  r->per_block_ = source.per_block;
  const cudaDeviceProp& p = properties();
  r->code_ = Cache::get().find(std::move(source.text), concat("sm_", p.major, p.minor));
  return r;
}

bool JitProgram::run(const Shape& whole, std::span<const Tensor> in, std::span<const Tensor> out) {
  driver::Function f = code_->function();
  if (!f) return false;
  JitCall<kMostTensors> c{};
  c.n = whole.size();
  c.wide = true;
  for (size_t k = 0; k < spreads_.size(); ++k) {
    const Tensor& t = k < in.size() ? in[k] : out[k - in.size()];
    c.at[k].data = t.mutable_raw();
    if (spreads_[k] != Spread::Single) c.wide = c.wide && aligned(c.at[k].data, 16);
    if (spreads_[k] == Spread::Cyclic) cycle_of(t.shape(), whole, &c.at[k].cycle);
  }
  void* parameters[] = {&c};
  const auto blocks = static_cast<unsigned>((c.n + per_block_ - 1) / per_block_);
  const driver::Result r = nvrtc::driver_library()->launch(
      f, blocks, 1, 1, kBlock, 1, 1, 0, reinterpret_cast<driver::Stream>(stream()), parameters, nullptr);
  if (r != driver::Result::Success) {
    const char* name = nullptr;
    nvrtc::driver_library()->get_error_name(r, &name);
    throw_runtime("[gpu] a compiled program could not be launched: ", name ? name : "unknown error", ".");
  }
  return true;
}

}  // namespace tahr::cuda
