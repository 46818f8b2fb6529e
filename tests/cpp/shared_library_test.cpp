// Libraries opened by name: the order of places, and what is said when one is missing, broken or too old.
#include "cuda/shared_library.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "check.h"

#define EXPECT(condition) CHECK(condition, "%s", "")

namespace {

namespace fs = std::filesystem;
using namespace tahr;
using namespace tahr::cuda;

struct Api {
  double (*cosine)(double);
};

std::string message_of(const LibraryNames& names, const std::vector<std::string>& roots, const char* function) {
  try {
    const SharedLibrary l(names, roots);
    Api api{};
    l.bind(api.cosine, function);
  } catch (const Error& e) { return e.what(); }
  return "";
}

bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

void test_places(const fs::path& folder) {
  const LibraryNames math{"Math", "some-package", {"libtahr-none.so.7", "libm.so.6"}};
  const SharedLibrary by_loader(math, {});
  EXPECT(by_loader.path() == "libm.so.6");
  Api api{};
  by_loader.bind(api.cosine, "cos");
  EXPECT(api.cosine(0.0) == 1.0);

  // The true file, found by its name as this process has it.
  std::string true_path;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (has(line, "/libm.so")) true_path = line.substr(line.find('/'));
  }
  EXPECT(!true_path.empty());
  for (const char* place : {"cublas", "cu13"}) {
    fs::create_directories(folder / place / "lib");
    fs::create_symlink(true_path, folder / place / "lib" / "libm.so.6");
  }
  EXPECT(SharedLibrary(math, {folder}).path() == (folder / "cu13/lib/libm.so.6").string());
  // The environment's folders come first, the better file's name before the better place.
  fs::create_directories(folder / "mine");
  fs::create_symlink(true_path, folder / "mine/libm.so.6");
  setenv("TAHR_NVIDIA_PATH", ((folder / "absent").string() + ":" + (folder / "mine").string()).c_str(), 1);
  EXPECT(SharedLibrary(math, {folder}).path() == (folder / "mine/libm.so.6").string());
  fs::create_symlink(true_path, folder / "cublas/lib/libtahr-none.so.7");
  EXPECT(SharedLibrary(math, {folder}).path() == (folder / "cublas/lib/libtahr-none.so.7").string());
  unsetenv("TAHR_NVIDIA_PATH");
}

void test_messages(const fs::path& folder) {
  const std::string missing =
      message_of({"cuNone", "nvidia-none", {"libcunone.so.2", "libcunone.so.1"}}, {folder}, "f");
  EXPECT(has(missing, "cuNone (libcunone.so.2 or libcunone.so.1)") && has(missing, "pip install nvidia-none"));
  const std::string old = message_of({"Math", "nvidia-none", {"libm.so.6"}}, {}, "tahr_cosine");
  EXPECT(has(old, "tahr_cosine") && has(old, "pip install -U nvidia-none"));
  fs::create_directories(folder / "broken/lib");
  std::ofstream(folder / "broken/lib/libcubroken.so.1") << "not a library";
  const std::string broken = message_of({"cuBroken", "nvidia-broken", {"libcubroken.so.1"}}, {folder}, "f");
  EXPECT(has(broken, "received: ") && has(broken, "pip install --force-reinstall nvidia-broken"));
}

void test_opened() {
  const Opened<Api> none({"cuNone", "nvidia-none", {"libcunone.so.2"}},
                         [](const SharedLibrary& l, Api& a) { l.bind(a.cosine, "cos"); });
  EXPECT(none.get() == nullptr && has(none.why(), "nvidia-none"));
  bool thrown = false;
  try {
    none->cosine(0.0);
  } catch (const Error& e) { thrown = e.kind() == ErrorKind::Runtime && none.why() == e.what(); }
  EXPECT(thrown);
  const Opened<Api> math({"Math", "nvidia-none", {"libm.so.6"}},
                         [](const SharedLibrary& l, Api& a) { l.bind(a.cosine, "cos"); });
  EXPECT(math.get() && math->cosine(0.0) == 1.0 && math.why().empty());
  EXPECT(!none.describe().found && none.describe().text == none.why() && none.describe().title == "cuNone");
  EXPECT(math.describe().found && math.describe().text == "libm.so.6");
  const Opened<Api> twin("Twin", Api{[](double x) { return x + 1; }});
  EXPECT(twin->cosine(2.0) == 3.0);
}

}  // namespace

int main() {
  const fs::path folder = fs::temp_directory_path() / ("tahr-library-" + std::to_string(getpid()));
  fs::create_directories(folder);
  test_places(folder);
  test_messages(folder);
  test_opened();
  fs::remove_all(folder);
  return tahr::test::check_report();
}
