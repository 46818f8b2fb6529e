// Classifies raw images with an exported model, without Python, and says how long one image takes.
//
//   classify MODEL.tahr IMAGES.bin [RUNS]
//
// IMAGES.bin: images of bytes, one after another, of the size that the model takes (28 x 28 for Fashion-MNIST); pixels
// are scaled to 0..1. Prints the class and its probability for the first ten images, then the time of a run with one.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iterator>
#include <vector>

#include "tahr/runtime.h"

namespace {

int classify(const char* model_path, const char* images_path, int runs) {
  const tahr::runtime::Model model = tahr::runtime::Model::load(model_path);
  const tahr::runtime::Info& input = model.inputs().at(0);
  if (model.inputs().size() != 1 || input.dtype != "float32") {
    std::fprintf(stderr, "expected a model with one input of float32, received '%s' of %s\n", input.name.c_str(),
                 input.dtype.c_str());
    return 1;
  }
  std::vector<int64_t> one = input.shape;  // the shape of a batch of one image
  size_t pixels = 1;
  for (size_t i = 0; i < one.size(); ++i) {
    if (one[i] < 0) one[i] = 1;
    pixels *= static_cast<size_t>(one[i]);
  }

  std::ifstream file(images_path, std::ios::binary);
  const std::vector<unsigned char> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const size_t count = pixels ? bytes.size() / pixels : 0;
  if (count == 0) {
    std::fprintf(stderr, "expected '%s' to hold at least one image of %zu bytes\n", images_path, pixels);
    return 1;
  }
  std::vector<float> image(pixels);
  const auto run = [&](size_t i) {
    for (size_t p = 0; p < pixels; ++p) image[p] = static_cast<float>(bytes[i * pixels + p]) / 255.0f;
    return model.run({{image.data(), one}});
  };

  for (size_t i = 0; i < std::min<size_t>(count, 10); ++i) {
    const auto result = run(i);
    const float* p = result.at(0).as<float>();
    const auto best = std::max_element(p, p + result[0].size) - p;
    std::printf("image %zu: class %d, %.4f\n", i, static_cast<int>(best), static_cast<double>(p[best]));
  }

  std::vector<double> micros;
  for (int i = 0; i < runs; ++i) {
    const auto start = std::chrono::steady_clock::now();
    run(static_cast<size_t>(i) % count);
    micros.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
  }
  if (micros.empty()) return 0;
  std::sort(micros.begin(), micros.end());
  std::printf("%d runs of one image: median %.1f us, fastest %.1f us, 99%% within %.1f us\n", runs,
              micros[micros.size() / 2], micros.front(), micros[micros.size() * 99 / 100]);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: classify MODEL.tahr IMAGES.bin [RUNS]\n");
    return 2;
  }
  try {
    return classify(argv[1], argv[2], argc > 3 ? std::atoi(argv[3]) : 1000);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
