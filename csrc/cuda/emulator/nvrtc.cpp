// NVRTC's and the driver's twins: sources are compiled by the host's compiler, with the emulator's header, into a
// library whose kernel runs on the emulator. TAHR_EMULATED_NVRTC says who compiles:
// - unset: nobody, as where NVRTC is not installed (a compiler takes a second for what the interpreter does at once);
// - `host`: the host's compiler, CXX or c++;
// - `true`: the true NVRTC. What it makes cannot be loaded here, so programs are interpreted: it shows that they
// compile.
#include "cuda/nvrtc.h"

#include <cuda_runtime.h>
#include <dlfcn.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string_view>
#include <vector>

namespace tahr::cuda::nvrtc {

struct Context {
  std::string source, code, log;
};

namespace {

namespace fs = std::filesystem;

// A folder of our own, gone with this.
struct Folder {
  fs::path path = fs::temp_directory_path() / "tahr-XXXXXX";
  Folder() {
    std::string name = path.string();
    if (!mkdtemp(name.data())) throw_runtime("no temporary folder could be made");
    path = name;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
};

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(file)), {});
}

Result create(Program* p, const char* source, const char*, int, const char* const*, const char* const*) {
  *p = new Context{source, {}, {}};
  return Result::Success;
}
Result destroy(Program* p) {
  delete *p;
  return Result::Success;
}
Result version(int* major, int* minor) {
  *major = 0, *minor = 0;
  return Result::Success;
}
const char* get_error_string(Result r) { return r == Result::Success ? "success" : "compilation failed"; }

// Headers are those of the source tree, with the standard library's: the texts in the library are for NVRTC.
Result compile(Program p, int, const char* const*) {
  const Folder folder;
  std::ofstream(folder.path / "program.cpp") << "#include \"core/dtype.cpp\"\n"
                                             << p->source << R"(
uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;
extern "C" __attribute__((visibility("default"))) const unsigned long tahr_call_bytes = sizeof(Call);
extern "C" __attribute__((visibility("default"))) void tahr_run(const void* call, const uint3* thread,
                                                                const uint3* block, const dim3* threads) {
  threadIdx = *thread, blockIdx = *block, blockDim = *threads;
  tahr_program(*static_cast<const Call*>(call));
}
)";
  const char* compiler = std::getenv("CXX");
  const std::string at = folder.path.string();
  const std::string command =
      concat(compiler && *compiler ? compiler : "c++", " -std=c++20 -O0 -fPIC -shared -fvisibility=hidden",
             " -fno-math-errno -ffp-contract=off -w -I " TAHR_EMULATED_SOURCES " -I " TAHR_EMULATED_SOURCES
             "/cuda/emulator -o ",
             at, "/program.so ", at, "/program.cpp 2> ", at, "/log");
  const int status = std::system(command.c_str());
  p->log = read(folder.path / "log");
  if (status != 0) return Result::Compilation;
  p->code = read(folder.path / "program.so");
  return Result::Success;
}
Result get_cubin_size(Program p, size_t* bytes) {
  *bytes = p->code.size();
  return Result::Success;
}
Result get_cubin(Program p, char* to) {
  std::memcpy(to, p->code.data(), p->code.size());
  return Result::Success;
}
Result get_log_size(Program p, size_t* bytes) {
  *bytes = p->log.size() + 1;
  return Result::Success;
}
Result get_log(Program p, char* to) {
  std::memcpy(to, p->log.c_str(), p->log.size() + 1);
  return Result::Success;
}

// ---- the driver ----

using Run = void(const void* call, const uint3* thread, const uint3* block, const dim3* threads);
struct Loaded {
  Run* run;
  size_t call_bytes;
};

constexpr auto kNotLoadable = static_cast<driver::Result>(209);

driver::Result load(driver::Module* module, const void* image) {
  const auto* head = static_cast<const unsigned char*>(image);
  if (head[18] != 62) return kNotLoadable;  // the machine of an ELF file: x86-64
  // The image's size, as a driver finds it: where its section headers end, which linkers write last.
  uint64_t sections;
  uint16_t bytes, count;
  std::memcpy(&sections, head + 40, 8), std::memcpy(&bytes, head + 58, 2), std::memcpy(&count, head + 60, 2);
  const Folder folder;
  const fs::path path = folder.path / "program.so";
  std::ofstream(path, std::ios::binary)
      .write(static_cast<const char*>(image), static_cast<std::streamsize>(sections + uint64_t{bytes} * count));
  void* handle = dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (!handle) return kNotLoadable;
  *module = static_cast<driver::Module>(handle);
  return driver::Result::Success;
}
driver::Result get_function(driver::Function* f, driver::Module module, const char*) {
  *f = reinterpret_cast<driver::Function>(new Loaded{reinterpret_cast<Run*>(dlsym(module, "tahr_run")),
                                                     *static_cast<size_t*>(dlsym(module, "tahr_call_bytes"))});
  return driver::Result::Success;
}
driver::Result launch(driver::Function f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                      unsigned shared, driver::Stream stream, void** parameters, void**) {
  const auto& loaded = *reinterpret_cast<const Loaded*>(f);
  const auto* from = static_cast<const char*>(parameters[0]);
  auto call = std::make_shared<std::vector<char>>(from, from + loaded.call_bytes);
  const cudaError_t e = emulator::launch(
      reinterpret_cast<const void*>(loaded.run),
      [call, run = loaded.run] { run(call->data(), &threadIdx, &blockIdx, &blockDim); }, dim3(gx, gy, gz),
      dim3(bx, by, bz), shared, reinterpret_cast<cudaStream_t>(stream));
  return static_cast<driver::Result>(e);
}
driver::Result get_error_name(driver::Result r, const char** name) {
  *name = r == kNotLoadable ? "CUDA_ERROR_NO_BINARY_FOR_GPU" : "unknown error";
  return driver::Result::Success;
}

std::string_view mode() {
  const char* v = std::getenv("TAHR_EMULATED_NVRTC");
  return v ? v : "";
}

}  // namespace

bool has_twin() { return mode() == "host"; }
bool may_open() { return mode() == "true"; }
Api emulated() {
  return {get_error_string, version, create, destroy, compile, get_cubin_size, get_cubin, get_log_size, get_log};
}
DriverApi emulated_driver() { return {get_error_name, load, get_function, launch}; }

}  // namespace tahr::cuda::nvrtc
