// Philox against its published vectors; the vectorised draws against it and against each other on all instruction sets.
#include <cmath>
#include <cstring>
#include <vector>

#include "check.h"
#include "core/philox.h"
#include "cpu/random_table.h"

namespace {

using namespace tahr;

// kat_vectors of Random123, the authors' own library.
void known_answers() {
  struct Known {
    uint32_t counter[4], key[2], result[4];
  };
  const Known known[] = {
      {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
       {0xffffffff, 0xffffffff},
       {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       {0xa4093822, 0x299f31d0},
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (const Known& k : known) {
    const uint32_t* c = k.counter;
    const PhiloxBlock b = philox_4x32(c[0], c[1], c[2], c[3], k.key[0], k.key[1]);
    for (int i = 0; i < 4; ++i) CHECK(b.word[i] == k.result[i], "word %d: %08x", i, b.word[i]);
  }
}

std::vector<Isa> instruction_sets() {
  std::vector<Isa> sets;
  for (Isa isa : {Isa::Base, Isa::V2, Isa::V3, Isa::V4}) {
    if (isa_available(isa)) sets.push_back(isa);
  }
  return sets;
}

constexpr size_t kGroups = 40;

void words_of_groups() {
  const PhiloxKey key{0x0123456789abcdefull, 0xfedcba9876543210ull};
  const uint64_t first = 1ull << 28;  // block numbers beyond 32 bits
  for (Isa isa : instruction_sets()) {
    std::vector<uint32_t> words(kGroups * kGroup32);
    random_table(isa).bits(key, first, kGroups, words.data());
    for (size_t i = 0; i < words.size(); ++i) {
      const PhiloxBlock b = philox(key, (first + i / kGroup32) * kGroupBlocks + i % 16);
      CHECK(words[i] == b.word[i % kGroup32 / 16], "isa %d, element %zu", static_cast<int>(isa), i);
    }
  }
}

template <class F>
void same_on_all(const char* name, F&& draw) {
  std::vector<float> reference;
  for (Isa isa : instruction_sets()) {
    std::vector<float> x(kGroups * kGroup32);
    draw(random_table(isa), x.data());
    for (float v : x) CHECK(std::isfinite(v), "%s: %g", name, v);
    if (reference.empty()) reference = x;
    CHECK(!std::memcmp(x.data(), reference.data(), x.size() * sizeof(float)), "%s, isa %d", name,
          static_cast<int>(isa));
  }
}

void draws_do_not_depend_on_the_instruction_set() {
  const PhiloxKey key{7, 3};
  same_on_all("uniform", [&](const RandomTable& t, float* x) { t.uniform(key, 5, kGroups, -1, 2, 1, x); });
  same_on_all("normal", [&](const RandomTable& t, float* x) { t.normal(key, 5, kGroups, 1, 2, x); });
  same_on_all("truncated_normal",
              [&](const RandomTable& t, float* x) { t.truncated_normal(key, 5, kGroups, 1, 2, x); });
  const std::vector<float> ones(kGroups * kGroup32, 1.0f);
  same_on_all("dropout",
              [&](const RandomTable& t, float* x) { t.dropout(key, 5, kGroups, 1u << 31, 2, ones.data(), x); });
}

}  // namespace

int main() {
  known_answers();
  words_of_groups();
  draws_do_not_depend_on_the_instruction_set();
  return tahr::test::check_report();
}
