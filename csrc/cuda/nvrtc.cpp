#include "cuda/nvrtc.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

namespace tahr::cuda::nvrtc {
namespace {

namespace fs = std::filesystem;

// C++20; products and sums rounded one by one, as in the kernels that nvcc compiles of elementwise ops.
const char* const kOptions[] = {"--std=c++20", "--fmad=false", "--device-as-default-execution-space"};

struct Hash {  // FNV-1a, twice
  uint64_t a = 14695981039346656037u, b = 0x9e3779b97f4a7c15u;
  void add(std::string_view s) {
    for (const char c : s) {
      a = (a ^ static_cast<unsigned char>(c)) * 1099511628211u;
      b = (b + static_cast<unsigned char>(c)) * 0xff51afd7ed558ccdu;
      b ^= b >> 29;
    }
    a = (a ^ 0x100) * 1099511628211u;  // an end
    b += s.size();
  }
  std::string name() const {
    char text[40];
    std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(a),
                  static_cast<unsigned long long>(b));
    return text;
  }
};

std::string hash_of(std::string_view s) {
  Hash h;
  h.add(s);
  return h.name();
}

// Empty: nowhere.
fs::path cache_folder() {
  const char* home = std::getenv("TAHR_HOME");
  const char* user = std::getenv("HOME");
  if (home && *home) return fs::path(home) / "kernels";
  if (user && *user) return fs::path(user) / ".tahr" / "kernels";
  return {};
}

// A file is the hash of the code, then the code: what was cut short is not taken.
std::string read_cached(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string all((std::istreambuf_iterator<char>(file)), {});
  const size_t head = hash_of("").size();
  if (all.size() <= head) return {};
  std::string code = all.substr(head);
  return hash_of(code) == all.substr(0, head) ? code : std::string();
}

// Beyond kMostCached files the older half goes, by the time of writing: that of programs in use is soon written again.
constexpr size_t kMostCached = 1000;
void trim_cache(const fs::path& folder) {
  std::error_code failed;
  std::vector<std::pair<fs::file_time_type, fs::path>> files;
  for (fs::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed)) {
    std::error_code gone;  // another process trims, too
    const fs::file_time_type written = at->last_write_time(gone);
    if (!gone) files.emplace_back(written, at->path());
  }
  if (failed || files.size() <= kMostCached) return;
  const auto half = files.begin() + static_cast<std::ptrdiff_t>(files.size() - kMostCached / 2);
  std::nth_element(files.begin(), half, files.end());
  for (auto f = files.begin(); f != half; ++f) fs::remove(f->second, failed);
}

// Written beside and renamed, so that no process sees a part. What cannot be written is compiled again next time.
void write_cached(const fs::path& path, const std::string& code) {
  static std::atomic<int> count{0};
  std::error_code ignored;
  fs::create_directories(path.parent_path(), ignored);
  const fs::path part = concat(path.string(), ".", getpid(), ".", count++);
  {
    std::ofstream file(part, std::ios::binary);
    file << hash_of(code) << code;
    if (!file.flush()) {
      file.close();
      fs::remove(part, ignored);
      return;
    }
  }
  fs::rename(part, path, ignored);
  if (ignored) fs::remove(part, ignored);
  trim_cache(path.parent_path());
}

std::string log_of(const Api& api, Program p) {
  size_t bytes = 0;
  if (api.get_log_size(p, &bytes) != Result::Success || bytes < 2) return {};
  std::string log(bytes, '\0');
  if (api.get_log(p, log.data()) != Result::Success) return {};
  log.resize(bytes - 1);
  return log.substr(0, 2000);
}

std::string compile_now(const Api& api, const std::string& source, const std::vector<const char*>& options,
                        std::string* why) {
  std::vector<const char*> names, texts;
  for (int i = 0; i < kHeaderCount; ++i) names.push_back(kHeaders[i].name), texts.push_back(kHeaders[i].text);
  Program p = nullptr;
  Result r = api.create(&p, source.c_str(), "program.cu", kHeaderCount, texts.data(), names.data());
  if (r != Result::Success) {
    *why = api.get_error_string(r);
    return {};
  }
  r = api.compile(p, static_cast<int>(options.size()), options.data());
  std::string code;
  size_t bytes = 0;
  if (r == Result::Success) r = api.get_cubin_size(p, &bytes);
  if (r == Result::Success) {
    code.resize(bytes);
    r = api.get_cubin(p, code.data());
  }
  if (r != Result::Success) {
    *why = concat(api.get_error_string(r), "\n", log_of(api, p));
    code.clear();
  }
  api.destroy(&p);
  return code;
}

}  // namespace

const Opened<Api>& library() {
  static const auto* opened = [] {
#if defined(TAHR_CUDA_EMULATED)
    if (has_twin()) return new Opened<Api>("NVRTC", emulated());
    const std::vector<std::string> files =
        may_open() ? std::vector<std::string>{"libnvrtc.so.13"} : std::vector<std::string>{};
#else
    const std::vector<std::string> files{"libnvrtc.so.13", "libnvrtc.so.12"};
#endif
    const LibraryNames names{"NVRTC", "nvidia-cuda-nvrtc", files};
    return new Opened<Api>(names, [](const SharedLibrary& l, Api& a) {
      l.bind(a.get_error_string, "nvrtcGetErrorString");
      l.bind(a.version, "nvrtcVersion");
      l.bind(a.create, "nvrtcCreateProgram");
      l.bind(a.destroy, "nvrtcDestroyProgram");
      l.bind(a.compile, "nvrtcCompileProgram");
      l.bind(a.get_cubin_size, "nvrtcGetCUBINSize");
      l.bind(a.get_cubin, "nvrtcGetCUBIN");
      l.bind(a.get_log_size, "nvrtcGetProgramLogSize");
      l.bind(a.get_log, "nvrtcGetProgramLog");
      // NVRTC opens a second library by its name alone, which the loader finds only once it is there.
      int major = 0, minor = 0;
      a.version(&major, &minor);
      const fs::path beside = fs::path(l.path()).parent_path() / concat("libnvrtc-builtins.so.", major, ".", minor);
      if (l.path().find('/') != std::string::npos) dlopen(beside.c_str(), RTLD_NOW | RTLD_LOCAL);
    });
  }();
  return *opened;
}

const Opened<DriverApi>& driver_library() {
  static const auto* opened = [] {
#if defined(TAHR_CUDA_EMULATED)
    return new Opened<DriverApi>("driver", emulated_driver());
#else
    const LibraryNames names{"driver", "nothing: it comes with the GPU's driver", {"libcuda.so.1"}};
    return new Opened<DriverApi>(names, [](const SharedLibrary& l, DriverApi& a) {
      l.bind(a.get_error_name, "cuGetErrorName");
      l.bind(a.load, "cuModuleLoadData");
      l.bind(a.get_function, "cuModuleGetFunction");
      l.bind(a.launch, "cuLaunchKernel");
    });
#endif
  }();
  return *opened;
}

std::string compile(const std::string& source, const std::string& architecture, std::string* why) {
  const Api* api = library().get();
  if (!api) {
    *why = library().why();
    return {};
  }
  int major = 0, minor = 0;
  api->version(&major, &minor);
  const std::string target = "--gpu-architecture=" + architecture;
  std::vector<const char*> options{target.c_str()};
  options.insert(options.end(), std::begin(kOptions), std::end(kOptions));
  Hash h;
  h.add(concat(major, ".", minor));
  for (const char* option : options) h.add(option);
  for (int i = 0; i < kHeaderCount; ++i) h.add(kHeaders[i].name), h.add(kHeaders[i].text);
  h.add(source);
  const fs::path folder = cache_folder();
  const fs::path path = folder.empty() ? folder : folder / (h.name() + ".cubin");
  std::string code;
  if (!path.empty()) code = read_cached(path);
  if (!code.empty()) return code;
  code = compile_now(*api, source, options, why);
  if (!code.empty() && !path.empty()) write_cached(path, code);
  return code;
}

driver::Function load(const std::string& code, const char* name, std::string* why) {
  const DriverApi* api = driver_library().get();
  if (!api) {
    *why = driver_library().why();
    return nullptr;
  }
  driver::Module module = nullptr;
  driver::Function f = nullptr;
  driver::Result r = api->load(&module, code.data());
  if (r == driver::Result::Success) r = api->get_function(&f, module, name);
  if (r == driver::Result::Success) return f;
  const char* text = nullptr;
  api->get_error_name(r, &text);
  *why = concat("the driver could not load it: ", text ? text : "unknown error");
  return nullptr;
}

}  // namespace tahr::cuda::nvrtc
