// A library of NVIDIA's (cuBLASLt, cuDNN, NVRTC, NCCL), opened by name when it is first needed; nothing links to one.
//
// To use one: declare what is called in api/<library>.h (types, values, prototypes: facts only), compare them with the
// true headers in api/<library>_check.cpp, and fill a struct of function pointers once:
//
//   struct Api { api::Create* create; };
//   const Opened<Api>& library() {
//     static const auto* opened = new Opened<Api>(kNames, [](const SharedLibrary& l, Api& a) {
//       l.bind(a.create, "cublasLtCreate");
//     });
//     return *opened;
//   }
//   library()->create(...);              // throws, naming the pip package, if it is not there
//   if (const Api* a = library().get())  // or does without
//
// On the emulator a library has a twin that computes the same by plain loops; it takes the place of what `bind` finds.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/error.h"
#include "ops/placement.h"

namespace tahr::cuda {

struct LibraryNames {
  std::string title;               // "cuBLASLt"
  std::string package;             // of pip, that holds it: "nvidia-cublas"
  std::vector<std::string> files;  // the best first: "libcublasLt.so.13", "libcublasLt.so.12"
};

class SharedLibrary {
 public:
  // Each of the files is looked for in the folders of TAHR_NVIDIA_PATH (separated by colons), then in `*/lib` under
  // each of `roots`, then by the loader. Throws Error(Runtime) if none of them opens.
  SharedLibrary(const LibraryNames& names, const std::vector<std::string>& roots);
  const std::string& path() const { return path_; }

  // Throws if the library has no such function: it is too old.
  template <class F>
  void bind(F*& function, const char* name) const {
    function = reinterpret_cast<F*>(find(name));
  }

 private:
  void* find(const char* name) const;

  LibraryNames names_;
  void* handle_ = nullptr;  // never closed
  std::string path_;
};

// Opens the first of the files that is to be had, or none: for libraries that another one opens by name, which finds
// what is open already, wherever it lies.
void open_beforehand(const std::vector<std::string>& files);

// The `nvidia` folders that pip fills: those that Python knows of, and the one beside this library's package.
std::vector<std::string> nvidia_folders();

// Has `python -m tahr` tell of a library: called by the family that uses it, when it is registered.
void add_library(DeviceLibrary (*describe)());

// The functions of a library that is there or not.
template <class Api>
class Opened {
 public:
  template <class Bind>
  Opened(const LibraryNames& names, Bind&& bind) : title_(names.title) {
    try {
      const SharedLibrary library(names, nvidia_folders());
      Api api{};
      bind(library, api);
      api_ = api, there_ = true, path_ = library.path();
    } catch (const Error& e) { why_ = e.what(); }
  }
  Opened(const char* title, const Api& twin) : title_(title), api_(twin), there_(true), path_("emulated") {}

  const Api* get() const { return there_ ? &api_ : nullptr; }
  const std::string& why() const { return why_; }  // it is not there: a sentence that says how to get it
  DeviceLibrary describe() const { return {title_, there_, there_ ? path_ : why_}; }
  const Api* operator->() const {
    if (!there_) throw_runtime(why_);
    return &api_;
  }

 private:
  std::string title_;
  Api api_{};
  bool there_ = false;
  std::string path_, why_;
};

}  // namespace tahr::cuda
