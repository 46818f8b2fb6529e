// The matrix product against a plain sum in double, for every instruction set of this CPU, all transposes, odd sizes.
//
// A sum of k products in a precision of unit roundoff u is off by at most (k + 2) u times the sum of magnitudes, here
// bounded by k since |a|, |b| <= 1 (Higham, "Accuracy and Stability of Numerical Algorithms", section 3.1).
#include "cpu/gemm.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "check.h"
#include "core/parallel.h"
#include "cpu/gemm_table.h"

namespace {

using tahr::DType;

std::mt19937 rng(7);

template <class T>
std::vector<T> draw(int64_t n) {
  std::vector<T> v(n);
  if constexpr (std::is_same_v<T, bool>) {
    for (int64_t i = 0; i < n; ++i) v[i] = rng() % 4 == 0;
  } else if constexpr (std::is_integral_v<T>) {
    for (T& x : v) x = static_cast<T>(rng());
  } else {
    std::uniform_real_distribution<float> u(-1, 1);
    for (T& x : v) x = tahr::store_as<T>(u(rng));
  }
  return v;
}

template <class T>
struct Limits {
  static constexpr double u = std::numeric_limits<T>::epsilon() / 2;
};
template <>
struct Limits<tahr::float16> {
  static constexpr double u = 0x1p-11;
};
template <>
struct Limits<tahr::bfloat16> {
  static constexpr double u = 0x1p-8;
};

struct Case {
  bool ta, tb;
  int64_t m, n, k;
  bool accumulate = false, bias = false;
  int64_t pad = 0;  // leading dimensions exceed the rows by this
};

template <class T>
void check_float(const tahr::GemmTable& table, const char* isa, const Case& c) {
  const int64_t lda = (c.ta ? c.m : c.k) + c.pad, ldb = (c.tb ? c.k : c.n) + c.pad, ldc = c.n + c.pad;
  // Exactly as long as the product may read: beyond the last element lies a NaN-free but foreign world.
  const int64_t a_rows = c.ta ? c.k : c.m, b_rows = c.tb ? c.n : c.k;
  const auto a = draw<T>(std::max<int64_t>(0, a_rows * lda)), b = draw<T>(std::max<int64_t>(0, b_rows * ldb));
  const auto bias = draw<T>(c.n), before = draw<T>(c.m * ldc);
  auto out = before;
  tahr::gemm_with(table, tahr::DTypeOf<T>::value, c.ta, c.tb, c.m, c.n, c.k, a.data(), lda, b.data(), ldb, out.data(),
                  ldc, {.accumulate = c.accumulate, .bias = c.bias ? bias.data() : nullptr});
  if constexpr (std::is_same_v<T, float>) {  // the same bits where A's rows lie anywhere
    std::vector<std::vector<float>> rows;
    for (int64_t r = 0; r < a_rows; ++r) rows.emplace_back(a.data() + r * lda, a.data() + r * lda + (c.ta ? c.m : c.k));
    std::vector<const float*> list;
    for (const auto& row : rows) list.push_back(row.data());
    auto listed = before;
    tahr::gemm_listed_with(table, c.ta, c.tb, c.m, c.n, c.k, list.data(), b.data(), ldb, listed.data(), ldc,
                           {.accumulate = c.accumulate, .bias = c.bias ? bias.data() : nullptr});
    CHECK(std::equal(out.begin(), out.end(), listed.begin()), "%s listed ta=%d tb=%d m=%ld n=%ld k=%ld", isa, c.ta,
          c.tb, c.m, c.n, c.k);
  }
  using C = tahr::Compute<T>;
  const double u = Limits<C>::u;
  // Halves are rounded after the product, and after each of the two sums that may follow.
  const double bound =
      (c.k + 4) * u * (c.k + 2) + (std::is_same_v<T, C> ? 0 : (1 + c.accumulate + c.bias) * Limits<T>::u * (c.k + 2));
  double worst = 0;
  for (int64_t i = 0; i < c.m; ++i) {
    for (int64_t j = 0; j < ldc; ++j) {
      if (j >= c.n) {
        worst = std::max(worst, std::memcmp(&out[i * ldc + j], &before[i * ldc + j], sizeof(T)) ? 1e30 : 0.0);
        continue;
      }
      double sum = (c.bias ? tahr::load_as(bias[j]) : 0.0) + (c.accumulate ? tahr::load_as(before[i * ldc + j]) : 0.0);
      for (int64_t p = 0; p < c.k; ++p) {
        sum += static_cast<double>(tahr::load_as(a[c.ta ? p * lda + i : i * lda + p])) *
               tahr::load_as(b[c.tb ? j * ldb + p : p * ldb + j]);
      }
      const double error = std::fabs(sum - tahr::load_as(out[i * ldc + j]));
      worst = error <= worst ? worst : error;  // a NaN counts as worst
    }
  }
  CHECK(worst <= bound, "%s %s ta=%d tb=%d m=%ld n=%ld k=%ld accumulate=%d bias=%d pad=%ld: error %g, bound %g", isa,
        tahr::name_of(tahr::DTypeOf<T>::value), c.ta, c.tb, c.m, c.n, c.k, c.accumulate, c.bias, c.pad, worst, bound);
}

template <class T>
void check_sizes(const tahr::GemmTable& table, const char* isa) {
  constexpr int64_t sizes[][3] = {{1, 1, 1},      {2, 3, 4},     {1, 37, 19},   {3, 130, 11},  {5, 10, 100},
                                  {13, 17, 33},   {12, 32, 8},   {24, 64, 16},  {25, 65, 400}, {32, 10, 100},
                                  {7, 1, 50},     {2, 300, 9},   {50, 49, 1},   {100, 3, 70},  {11, 31, 129},
                                  {64, 300, 100}, {0, 4, 3},     {4, 0, 3},     {4, 5, 0},     {3, 2, 770},
                                  {1, 300, 784},  {1, 45, 1030}, {1, 500, 600}, {24, 33, 5},   {61, 68, 17},
                                  {112, 100, 6},  {40, 51, 12},  {131, 83, 32}, {17, 100, 96}, {49, 300, 60}};
  for (const auto& s : sizes) {
    for (int bits = 0; bits < 4; ++bits) {
      const bool ta = bits & 1, tb = bits & 2;
      check_float<T>(table, isa, {ta, tb, s[0], s[1], s[2]});
      check_float<T>(table, isa, {ta, tb, s[0], s[1], s[2], true, true, 5});
    }
  }
  for (int bits = 0; bits < 4; ++bits)
    check_float<T>(table, isa, {bool(bits & 1), bool(bits & 2), 201, 230, 403, true, true, 3});
  for (int bits = 0; bits < 4; ++bits)
    check_float<T>(table, isa, {bool(bits & 1), bool(bits & 2), 620, 92, 391, true, true, 3});
  for (bool tb : {false, true}) {  // by parts
    check_float<T>(table, isa, {true, tb, 131, 97, 1030, true, false, 3});
    check_float<T>(table, isa, {true, tb, 96, 101, 1600});
  }
}

template <class In, class Out>
void check_int(int64_t m = 5, int64_t n = 7, int64_t k = 9) {
  for (int bits = 0; bits < 4; ++bits) {
    const bool ta = bits & 1, tb = bits & 2;
    const auto a = draw<In>(m * k), b = draw<In>(k * n);
    std::unique_ptr<In[]> at(new In[m * k]), bt(new In[k * n]);  // vector<bool> has no array
    std::copy(a.begin(), a.end(), at.get());
    std::copy(b.begin(), b.end(), bt.get());
    std::unique_ptr<Out[]> c(new Out[m * n]), twice(new Out[m * n]), bias(new Out[n]);
    tahr::gemm(tahr::DTypeOf<In>::value, ta, tb, m, n, k, at.get(), ta ? m : k, bt.get(), tb ? k : n, c.get(), n);
    std::copy(c.get(), c.get() + m * n, twice.get());
    for (int64_t j = 0; j < n; ++j) bias[j] = static_cast<Out>(j % 2);
    tahr::GemmEpilogue more;
    more.accumulate = true;
    more.bias = bias.get();
    tahr::gemm(tahr::DTypeOf<In>::value, ta, tb, m, n, k, at.get(), ta ? m : k, bt.get(), tb ? k : n, twice.get(), n,
               more);
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        uint64_t sum = 0;
        for (int64_t p = 0; p < k; ++p) {
          const uint64_t x = static_cast<uint64_t>(a[ta ? p * m + i : i * k + p]),
                         y = static_cast<uint64_t>(b[tb ? j * k + p : p * n + j]);
          sum = std::is_same_v<In, bool> ? sum | (x & y) : sum + x * y;
        }
        CHECK(c[i * n + j] == static_cast<Out>(sum), "%s ta=%d tb=%d (%ld, %ld)",
              tahr::name_of(tahr::DTypeOf<In>::value), ta, tb, i, j);
        const uint64_t both = std::is_same_v<In, bool> ? (sum | static_cast<uint64_t>(bias[j]))
                                                       : sum + sum + static_cast<uint64_t>(bias[j]);
        CHECK(twice[i * n + j] == static_cast<Out>(both), "twice and a bias, %s ta=%d tb=%d (%ld, %ld)",
              tahr::name_of(tahr::DTypeOf<In>::value), ta, tb, i, j);
      }
    }
  }
}

// Sums of int8 products beyond what float holds exactly.
void check_int8_extremes() {
  for (const int64_t k : {1024, 1025, 5000}) {
    const std::vector<int8_t> a(3 * k, -128), b(k * 5, -128);
    std::vector<int32_t> c(15);
    tahr::gemm(tahr::DType::Int8, false, false, 3, 5, k, a.data(), k, b.data(), 5, c.data(), 5);
    for (const int32_t x : c) CHECK(x == 16384 * k, "%d for %ld products of -128", x, k);
  }
}

// The same bits with any number of threads, and for a row whatever rows go with it.
template <class T>
void check_bits(int64_t m, int64_t n, int64_t k) {
  for (int bits = 0; bits < 4; ++bits) {
    const bool ta = bits & 1, tb = bits & 2;
    const auto a = draw<T>(m * k), b = draw<T>(k * n);
    const auto run = [&](int threads, int64_t rows) {
      tahr::set_num_threads(threads);
      std::vector<T> c(rows * n);
      tahr::gemm(tahr::DTypeOf<T>::value, ta, tb, rows, n, k, a.data(), ta ? m : k, b.data(), tb ? k : n, c.data(), n);
      return c;
    };
    const auto one = run(1, m);
    for (int threads : {2, 3, 7}) {
      CHECK(!std::memcmp(run(threads, m).data(), one.data(), one.size() * sizeof(T)), "%d threads, ta=%d tb=%d m=%ld",
            threads, ta, tb, m);
    }
    if constexpr (std::is_same_v<T, float>) {  // A's rows anywhere: the last of them first
      const int64_t stored = ta ? k : m, size = ta ? m : k;
      std::vector<float> turned;
      std::vector<const float*> list;
      for (int64_t r = stored; r-- > 0;) turned.insert(turned.end(), &a[r * size], &a[r * size] + size);
      for (int64_t r = 0; r < stored; ++r) list.push_back(&turned[(stored - 1 - r) * size]);
      for (int threads : {1, 2, 3, 7}) {
        tahr::set_num_threads(threads);
        std::vector<float> c(m * n);
        tahr::gemm_listed(ta, tb, m, n, k, list.data(), b.data(), tb ? k : n, c.data(), n);
        CHECK(!std::memcmp(c.data(), one.data(), one.size() * sizeof(T)), "listed, %d threads, ta=%d tb=%d m=%ld",
              threads, ta, tb, m);
      }
    }
    for (int64_t rows : {int64_t{1}, m / 3}) {
      CHECK(!std::memcmp(run(1, rows).data(), one.data(), rows * n * sizeof(T)), "first %ld rows, ta=%d tb=%d m=%ld",
            rows, ta, tb, m);
    }
  }
}

}  // namespace

int main() {
#ifdef TAHR_X86
  const std::pair<tahr::Isa, const char*> isas[] = {
      {tahr::Isa::V2, "v2"}, {tahr::Isa::V3, "v3"}, {tahr::Isa::V4, "v4"}};
#else
  const std::pair<tahr::Isa, const char*> isas[] = {{tahr::Isa::Base, "base"}};
#endif
  for (auto [isa, name] : isas) {
    if (!tahr::isa_available(isa)) continue;
    check_sizes<float>(tahr::gemm_table(isa), name);
    check_sizes<double>(tahr::gemm_table(isa), name);
    check_sizes<tahr::float16>(tahr::gemm_table(isa), name);
    check_sizes<tahr::bfloat16>(tahr::gemm_table(isa), name);
  }
  check_int<int8_t, int32_t>();
  check_int<int8_t, int32_t>(37, 41, 2100);  // through products of float, in three depths
  check_int8_extremes();
  check_int<uint8_t, uint8_t>();
  check_int<int16_t, int16_t>();
  check_int<uint16_t, uint16_t>();
  check_int<int32_t, int32_t>();
  check_int<uint64_t, uint64_t>();
  check_int<int64_t, int64_t>();
  check_int<bool, bool>();
  check_bits<float>(129, 150, 200);
  check_bits<float>(310, 220, 500);
  check_bits<float>(620, 100, 400);
  check_bits<float>(610, 900, 390);  // several blocks of columns
  check_bits<double>(64, 300, 390);
  check_bits<float>(48, 130, 784);
  check_bits<float>(66, 150, 1100);  // few rows against the steps of k
  check_bits<double>(9, 37, 1030);
  check_bits<float>(331, 101, 1100);  // a long sum
  check_bits<double>(109, 95, 2049);
  check_bits<float>(315, 100, 32);  // by strips
  check_bits<float>(784, 150, 17);
  check_bits<float>(150, 300, 60);
  check_bits<double>(70, 45, 30);
  check_bits<float>(1, 300, 784);  // one row
  check_bits<float>(1, 517, 1100);
  check_bits<double>(1, 165, 500);
  return tahr::test::check_report();
}
