// Runs an exported model as any C++ program would, for tests that compare its results with Python's.
//
//   run_graph MODEL.tahr IN OUT
//
// IN: u32 runs; per run and input of the model: u32 rank, i64 dimensions, elements. OUT: per run and output: the same,
// with u32 length and characters of the dtype's name ahead.
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

#include "tahr/runtime.h"

namespace {

template <class T>
T read(std::istream& in) {
  T v{};
  in.read(reinterpret_cast<char*>(&v), sizeof v);
  return v;
}

template <class T>
void write(std::ostream& out, T v) {
  out.write(reinterpret_cast<const char*>(&v), sizeof v);
}

size_t item_size(const std::string& dtype) {
  if (dtype == "bool") return 1;
  return static_cast<size_t>(std::stoi(dtype.substr(dtype.find_first_of("123468")))) / 8;
}

int64_t product(const std::vector<int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

void run(const char* model_path, const char* in_path, const char* out_path) {
  const auto model = tahr::runtime::Model::load(model_path);
  std::ifstream in(in_path, std::ios::binary);
  std::ofstream out(out_path, std::ios::binary);
  in.exceptions(std::ios::failbit | std::ios::badbit);
  out.exceptions(std::ios::failbit | std::ios::badbit);
  for (auto runs = read<uint32_t>(in); runs-- > 0;) {
    std::vector<std::vector<char>> memory;
    std::vector<tahr::runtime::View> views;
    for (const auto& info : model.inputs()) {
      std::vector<int64_t> shape(read<uint32_t>(in));
      for (int64_t& d : shape) d = read<int64_t>(in);
      memory.emplace_back(static_cast<size_t>(product(shape)) * item_size(info.dtype));
      in.read(memory.back().data(), static_cast<std::streamsize>(memory.back().size()));
      views.push_back({memory.back().data(), shape});
    }
    for (const auto& array : model.run(views)) {
      write(out, static_cast<uint32_t>(array.dtype.size()));
      out << array.dtype;
      write(out, static_cast<uint32_t>(array.shape.size()));
      for (int64_t d : array.shape) write(out, d);
      out.write(array.as<char>(),
                static_cast<std::streamsize>(static_cast<size_t>(array.size) * item_size(array.dtype)));
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: run_graph MODEL.tahr IN OUT\n");
    return 2;
  }
  try {
    run(argv[1], argv[2], argv[3]);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
