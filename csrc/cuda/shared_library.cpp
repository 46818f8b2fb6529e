#include "cuda/shared_library.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "core/device.h"

namespace tahr::cuda {
namespace {

namespace fs = std::filesystem;

// Folders named root/*/lib, in the order of their names: "cu13" before "cublas", which is CUDA 12's.
void add_package_folders(const fs::path& root, std::vector<fs::path>& to) {
  std::vector<fs::path> found;
  std::error_code ignored;
  for (fs::directory_iterator it(root, ignored), end; it != end; it.increment(ignored)) {
    if (fs::is_directory(it->path() / "lib", ignored)) found.push_back(it->path() / "lib");
  }
  std::sort(found.begin(), found.end());
  to.insert(to.end(), found.begin(), found.end());
}

std::vector<fs::path> folders(const std::vector<std::string>& roots) {
  std::vector<fs::path> all;
  if (const char* named = std::getenv("TAHR_NVIDIA_PATH")) {
    std::istringstream parts(named);
    for (std::string part; std::getline(parts, part, ':');) {
      if (!part.empty()) all.emplace_back(part);
    }
  }
  for (const std::string& root : roots) add_package_folders(root, all);
  return all;
}

}  // namespace

SharedLibrary::SharedLibrary(const LibraryNames& names, const std::vector<std::string>& roots) : names_(names) {
  const std::vector<fs::path> places = folders(roots);
  std::string broken;  // what the loader says of a file that is there and does not open
  for (const std::string& file : names.files) {
    for (const fs::path& place : places) {
      std::error_code ignored;
      const fs::path path = place / file;
      if (!fs::exists(path, ignored)) continue;
      handle_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
      if (handle_) {
        path_ = path;
        return;
      }
      if (const char* reason = dlerror(); reason && broken.empty()) broken = reason;
    }
    handle_ = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_) {
      path_ = file;
      return;
    }
    dlerror();
  }
  std::string list;
  for (const std::string& file : names.files) list += (list.empty() ? "" : " or ") + file;
  if (!broken.empty()) {
    throw_runtime("[gpu] expected to open NVIDIA's ", names.title, " (", list, "), received: ", broken,
                  ". Install it anew: pip install --force-reinstall ", names.package);
  }
  throw_runtime("[gpu] expected NVIDIA's ", names.title, " (", list, "), which is not installed. Run: pip install ",
                names.package, ", or name its folder in TAHR_NVIDIA_PATH.");
}

void* SharedLibrary::find(const char* name) const {
  void* symbol = dlsym(handle_, name);
  if (!symbol) {
    throw_runtime("[gpu] expected the function ", name, " in ", path_,
                  ", which is too old for it. Run: pip install -U ", names_.package);
  }
  return symbol;
}

void open_beforehand(const std::vector<std::string>& files) {
  try {
    const SharedLibrary opened({"", "", files}, nvidia_folders());
  } catch (const Error&) {  // who needs it says so
  }
}

std::vector<std::string> nvidia_folders() {
  std::vector<std::string> roots = device_settings().library_folders;
  Dl_info info;
  if (dladdr(reinterpret_cast<const void*>(&nvidia_folders), &info) && info.dli_fname) {
    // site-packages/tahr/_cuda.so
    roots.push_back(fs::path(info.dli_fname).parent_path().parent_path() / "nvidia");
  }
  return roots;
}

}  // namespace tahr::cuda
