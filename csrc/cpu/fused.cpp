// The kernel of `fused`: the loops of cpu/elementwise_table.h, one after the other on a tile that stays in L1.
//
// Prepared once per graph node, a program is four lists:
//   cells    what is a single element is computed once per call, on one element;
//   once     per chunk: single elements spread over a tile, rows repeated to fill one, and what follows from those
//   alone; fills    per tile: inputs that broadcast in any other way; loops    per tile: the rest, reading inputs and
//   writing outputs in place, intermediates in tiles that are reused.
// Half precision is rounded after every instruction, as the ops alone do. Where tiles and chunks are cut depends on the
// program and its shapes only, and no element depends on the cuts.
#include "ops/fused.h"

#include <alloca.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "core/parallel.h"
#include "cpu/elementwise.h"
#include "cpu/elementwise_tiles.h"
#include "ops/functions.h"

namespace tahr {
namespace {

constexpr int64_t kTile = 1024;
constexpr int64_t kSmallestTile = 256;
constexpr size_t kTileBytes = size_t{32} << 10;  // that the tiles of a program should share
constexpr int64_t kChunkTiles = 64;
constexpr double kChunkNs = 30e3;
constexpr double kLoopNs = 0.12, kStreamNs = 0.15;  // per element in L1; per element of an input or output
constexpr size_t kCell = 16;

struct Step {
  EwLoop loop;
  int out, in[kEwMaxInputs];  // cells, or places in the table of pointers
  double params[3];
};
struct Load {  // of an input into a cell, or from a cell into an output
  int tensor, cell;
  size_t bytes;
};
struct Spread {
  int cell, to;
  size_t bytes;
};
struct Row {  // of an input
  int input, to;
  size_t bytes;
};
struct Repeat {
  int place;
  size_t bytes;
};
struct Fill {
  int input, to, slot;
  size_t bytes;
  bool row;  // longer than a tile: read in place where a tile does not wrap around
  Strides stride;
};
struct Stream {
  int tensor;
  size_t bytes;
  bool output;
};
// An input that is read after an output was written, and so must be copied if both are the same memory.
struct Overlap {
  int input, output, stream, slot;
};

struct Prepared {
  int64_t size = 0, row = 0, tile = kTile, chunk = kTile;
  double ns = 0;  // per element
  int cells = 0;
  size_t scratch = 0;  // bytes
  Space space;
  std::vector<Load> loads, stores;
  std::vector<Step> cell_steps, once, loops;
  std::vector<Spread> spreads;
  std::vector<Row> rows;
  std::vector<Repeat> repeats;
  std::vector<Fill> fills;
  std::vector<size_t> slots;    // offsets in the scratch memory: the first entries of the table of pointers
  std::vector<Stream> streams;  // the others
  std::vector<Overlap> overlaps;
};

// ---- preparing ----

class Planner {
 public:
  Planner(const FusedProgram& program, std::span<const Spec> in)
      : program_(program), values_(fused_specs(program, in)), whole_(fused_shape(program, values_)) {
    plan_.size = whole_.size();
    mark_needed();
    place_inputs();
    for (size_t i = 0; i < program_.code.size(); ++i) {
      const int value = program_.inputs + static_cast<int>(i);
      if (needed_[static_cast<size_t>(value)]) add_instruction(program_.code[i], value);
    }
    choose_tile();
    allocate();
    find_repeats();
    find_overlaps();
    lay_out();
  }
  Prepared take() { return std::move(plan_); }

 private:
  enum Level { Cell, Once, Tile };
  // A tile, cell, or tensor that loops read and write; an index into `places_`.
  struct Place {
    enum Kind { InCell, Kept, Pooled, Streamed } kind;
    size_t bytes;  // per element
    int at = -1;   // the cell, or the entry in the table of pointers
  };

  const Spec& spec(int value) const { return values_[static_cast<size_t>(value)]; }
  Level level(int value) const { return levels_[static_cast<size_t>(value)]; }

  void mark_needed() {
    needed_.assign(values_.size(), false);
    for (int v : program_.outputs) needed_[static_cast<size_t>(v)] = true;
    for (size_t i = program_.code.size(); i-- > 0;) {
      if (!needed_[static_cast<size_t>(program_.inputs) + i]) continue;
      for (int v : program_.code[i].operands) needed_[static_cast<size_t>(v)] = true;
    }
  }

  int add_place(Place::Kind kind, size_t bytes) {
    Place p{kind, bytes, kind == Place::InCell ? plan_.cells++ : -1};
    places_.push_back(p);
    return static_cast<int>(places_.size()) - 1;
  }
  int add_stream(int tensor, size_t bytes, bool output) {
    const int place = add_place(Place::Streamed, bytes);
    places_.back().at = static_cast<int>(plan_.streams.size());
    plan_.streams.push_back({tensor, bytes, output});
    return place;
  }
  void set_place(int value, DType dtype, int place) { where_[{value, dtype}] = place; }

  void place_inputs() {
    const int n = program_.inputs;
    std::vector<const Shape*> shapes;
    std::vector<Strides> strides(static_cast<size_t>(n));
    std::vector<Strides*> pointers;
    std::vector<int> broadcast;
    levels_.assign(values_.size(), Tile);
    for (int v = 0; v < n; ++v) {
      const int64_t size = spec(v).shape.size();
      if (size == 1) levels_[static_cast<size_t>(v)] = Cell;
      if (!needed_[static_cast<size_t>(v)] || plan_.size == 0 || size == 1 || size == plan_.size) continue;
      broadcast.push_back(v);
      shapes.push_back(&spec(v).shape);
      pointers.push_back(&strides[static_cast<size_t>(v)]);
    }
    if (!broadcast.empty()) plan_.space = collapse(shapes, whole_, pointers.data());
    for (int v = 0; v < n; ++v) {
      if (!needed_[static_cast<size_t>(v)]) continue;
      const DType dtype = spec(v).dtype;
      const size_t bytes = size_of(dtype);
      if (level(v) == Cell) {
        const int place = add_place(Place::InCell, bytes);
        plan_.loads.push_back({v, places_.back().at, bytes});
        set_place(v, dtype, place);
      } else if (spec(v).shape.size() == plan_.size) {
        set_place(v, dtype, add_stream(v, bytes, false));
      } else if (plan_.size > 0) {
        const Space& space = plan_.space;
        const Strides& stride = strides[static_cast<size_t>(v)];
        const int last = space.rank - 1;
        const bool row = last > 0 && stride[static_cast<size_t>(last)] == 1 &&
                         std::all_of(stride.begin(), stride.begin() + last, [](int64_t d) { return d == 0; });
        const int place = add_place(Place::Kept, bytes);
        set_place(v, dtype, place);
        if (row) plan_.row = space.dim[last];
        if (row && plan_.row <= kTile) {
          levels_[static_cast<size_t>(v)] = Once;
          plan_.rows.push_back({v, place, bytes});
        } else {
          plan_.fills.push_back({v, place, place, bytes, row, stride});
        }
      }
    }
  }

  std::vector<Step>& steps(Level l) { return l == Cell ? plan_.cell_steps : l == Once ? plan_.once : plan_.loops; }

  void add_step(Level l, EwLoop loop, int out, std::initializer_list<int> in, const double* params, double ns) {
    Step s{loop, out, {}, {}};
    std::fill(std::begin(s.in), std::end(s.in), in.size() ? *in.begin() : out);
    std::copy(in.begin(), in.end(), s.in);
    if (params) std::copy(params, params + 3, s.params);
    steps(l).push_back(s);
    if (l == Tile) plan_.ns += ns < 0.5 ? kLoopNs : ns;
  }

  // Where a loop of the given level finds a value as a dtype.
  int place_of(int value, DType dtype, Level reader) {
    const int place = converted(value, dtype);
    if (level(value) != Cell || reader == Cell) return place;
    const auto [it, added] = spread_.try_emplace(place, 0);
    if (added) {
      const size_t bytes = places_[static_cast<size_t>(place)].bytes;
      it->second = add_place(Place::Kept, bytes);
      plan_.spreads.push_back({places_[static_cast<size_t>(place)].at, it->second, bytes});
    }
    return it->second;
  }
  int converted(int value, DType dtype) {
    const DType stored = spec(value).dtype;
    if (const auto it = where_.find({value, dtype}); it != where_.end()) return it->second;
    const int from = where_.at({value, stored});
    const int to = result_place(level(value), size_of(dtype));
    add_step(level(value), cast_loop(stored, dtype), to, {from}, nullptr, 0);
    set_place(value, dtype, to);
    return to;
  }
  int result_place(Level l, size_t bytes) {
    return add_place(l == Cell ? Place::InCell : l == Once ? Place::Kept : Place::Pooled, bytes);
  }

  void add_instruction(const FusedInstruction& ins, int value) {
    const Spec& out = spec(value);
    Level l = Cell;
    for (int v : ins.operands) l = std::max(l, level(v));
    levels_[static_cast<size_t>(value)] = l;
    if (l != Cell && plan_.size == 0) return;
    const Spec& first = spec(ins.operands[0]);
    EwSite site{first.dtype, out.dtype, ins.attrs.get()};
    if (ins.operands.size() == 2) {
      const Shape& second = spec(ins.operands[1]).shape;
      site.one_first = first.shape.size() == 1 && second.size() == out.shape.size();
      site.one_second = second.size() == 1 && first.shape.size() == out.shape.size();
    }
    const EwCall call = elementwise_call(ins.op->name, site);
    int in[kEwMaxInputs] = {};
    for (size_t i = 0; i < ins.operands.size(); ++i) in[i] = place_of(ins.operands[i], call.in[i], l);

    const auto output = std::find(program_.outputs.begin(), program_.outputs.end(), value);
    const int tensor = output == program_.outputs.end() ? -1 : static_cast<int>(output - program_.outputs.begin());
    const size_t bytes = size_of(out.dtype);
    const int place = tensor >= 0 && l == Tile ? add_stream(tensor, bytes, true) : result_place(l, bytes);
    const int wide = call.out == out.dtype ? place : result_place(l, size_of(call.out));
    switch (ins.operands.size()) {
      case 1: add_step(l, call.loop, wide, {in[0]}, call.params, call.ns); break;
      case 2: add_step(l, call.loop, wide, {in[0], in[1]}, call.params, call.ns); break;
      default: add_step(l, call.loop, wide, {in[0], in[1], in[2]}, call.params, call.ns);
    }
    if (wide != place) add_step(l, cast_loop(call.out, out.dtype), place, {wide}, nullptr, 0);
    set_place(value, out.dtype, place);
    if (tensor >= 0 && l == Cell) plan_.stores.push_back({tensor, places_[static_cast<size_t>(place)].at, bytes});
  }

  // Rows that loops of every tile read.
  void find_repeats() {
    std::vector<int> rows;
    for (const Row& r : plan_.rows) rows.push_back(r.to);
    for (const Step& s : plan_.once) rows.push_back(s.out);
    for (int p : rows) {
      const auto reads = [&](const Step& s) { return std::find(s.in, s.in + kEwMaxInputs, p) != s.in + kEwMaxInputs; };
      if (std::any_of(plan_.loops.begin(), plan_.loops.end(), reads))
        plan_.repeats.push_back({p, places_[static_cast<size_t>(p)].bytes});
    }
  }

  // Pooled places: the last loop that reads each gives its tile back.
  void assign_pooled() {
    std::vector<int> last(places_.size(), -1);
    for (size_t k = 0; k < plan_.loops.size(); ++k) {
      for (int p : plan_.loops[k].in) last[static_cast<size_t>(p)] = static_cast<int>(k);
    }
    std::vector<int> free;
    const auto capacity = [&](int slot) { return slot_bytes_[static_cast<size_t>(slot)]; };
    for (size_t k = 0; k < plan_.loops.size(); ++k) {
      const Step& s = plan_.loops[k];
      const auto ends = [&](int p) {
        return places_[static_cast<size_t>(p)].kind == Place::Pooled &&
               last[static_cast<size_t>(p)] == static_cast<int>(k);
      };
      Place& out = places_[static_cast<size_t>(s.out)];
      int taken = -1;
      if (out.kind == Place::Pooled) {
        for (int p : s.in) {  // in place
          if (p != s.out && ends(p) && places_[static_cast<size_t>(p)].bytes == out.bytes) taken = p;
        }
        if (taken >= 0) {
          out.at = places_[static_cast<size_t>(taken)].at;
        } else {
          int best = -1;
          for (int f : free) {
            if (capacity(f) >= out.bytes && (best < 0 || capacity(f) < capacity(best))) best = f;
          }
          if (best >= 0) free.erase(std::find(free.begin(), free.end(), best));
          out.at = best >= 0 ? best : add_slot(out.bytes);
        }
      }
      for (size_t i = 0; i < kEwMaxInputs; ++i) {
        const int p = s.in[i];
        if (p == s.out || p == taken || !ends(p) || std::find(s.in, s.in + i, p) != s.in + i) continue;
        free.push_back(places_[static_cast<size_t>(p)].at);
      }
    }
  }
  int add_slot(size_t bytes) {
    slot_bytes_.push_back(bytes);
    return static_cast<int>(slot_bytes_.size()) - 1;
  }

  void choose_tile() {
    // Estimated before tiles are shared, so on the high side only for kept ones and streams.
    size_t bytes = 0;
    for (const Place& p : places_) {
      if (p.kind == Place::Kept || p.kind == Place::Streamed) bytes += p.bytes;
    }
    int64_t tile = kTile;
    while (tile > kSmallestTile && (bytes + 16) * static_cast<size_t>(tile) > kTileBytes) tile /= 2;
    // Whole rows, so that every tile begins with one.
    plan_.tile = plan_.rows.empty() ? tile : std::max(plan_.row, tile / plan_.row * plan_.row);
  }

  void allocate() {
    for (Place& p : places_) {
      if (p.kind == Place::Kept) p.at = add_slot(p.bytes);
    }
    assign_pooled();
  }

  void find_overlaps() {
    for (size_t i = 0; i < plan_.streams.size(); ++i) {
      const Stream& in = plan_.streams[i];
      if (in.output) continue;
      int slot = -1;
      for (size_t o = 0; o < plan_.streams.size(); ++o) {
        const Stream& out = plan_.streams[o];
        if (!out.output || out.bytes != in.bytes) continue;
        int written = -1, read = -1;
        for (size_t k = 0; k < plan_.loops.size(); ++k) {
          const auto is = [&](int p, size_t stream) {
            const Place& place = places_[static_cast<size_t>(p)];
            return place.kind == Place::Streamed && place.at == static_cast<int>(stream);
          };
          for (int p : plan_.loops[k].in) {
            if (is(p, i)) read = static_cast<int>(k);
          }
          if (written < 0 && is(plan_.loops[k].out, o)) written = static_cast<int>(k);
        }
        if (read <= written) continue;
        if (slot < 0) slot = add_slot(in.bytes);
        plan_.overlaps.push_back({in.tensor, out.tensor, static_cast<int>(i), slot});
      }
    }
  }

  // Offsets of the tiles, and places turned into entries of the table of pointers.
  void lay_out() {
    for (size_t bytes : slot_bytes_) {
      plan_.slots.push_back(plan_.scratch);
      plan_.scratch += (bytes * static_cast<size_t>(plan_.tile) + 63) / 64 * 64 + 64;  // filling writes beyond the end
    }
    const int slots = static_cast<int>(plan_.slots.size());
    const auto resolve = [&](int& p) {
      const Place& place = places_[static_cast<size_t>(p)];
      p = place.kind == Place::Streamed ? slots + place.at : place.at;
    };
    for (std::vector<Step>* list : {&plan_.cell_steps, &plan_.once, &plan_.loops}) {
      for (Step& s : *list) {
        resolve(s.out);
        for (int& p : s.in) resolve(p);
      }
    }
    for (Spread& s : plan_.spreads) resolve(s.to);
    for (Row& r : plan_.rows) resolve(r.to);
    for (Repeat& r : plan_.repeats) resolve(r.place);
    for (Fill& f : plan_.fills) {
      resolve(f.slot);
      f.to = f.slot;
    }
    for (Overlap& o : plan_.overlaps) o.stream += slots;
    plan_.ns += kStreamNs * static_cast<double>(plan_.streams.size() + 1);
    const double tiles = kChunkNs / (plan_.ns * static_cast<double>(plan_.tile));
    plan_.chunk = plan_.tile * std::clamp(static_cast<int64_t>(tiles), int64_t{1}, kChunkTiles);
  }

  const FusedProgram& program_;
  Specs values_;
  Shape whole_;
  Prepared plan_;
  std::vector<bool> needed_;
  std::vector<Level> levels_;
  std::vector<Place> places_;
  std::map<std::pair<int, DType>, int> where_;
  std::map<int, int> spread_;  // a cell's place -> that of its tile
  std::vector<size_t> slot_bytes_;
};

std::shared_ptr<void> prepare_fused(std::span<const Spec> in, std::span<const Spec>, const void* attrs) {
  const FusedProgram program = parse_fused(static_cast<const FusedAttrs*>(attrs)->program, static_cast<int>(in.size()));
  return std::make_shared<Prepared>(Planner(program, in).take());
}

// ---- running ----

inline void copy_element(void* to, const void* from, size_t bytes) {
  switch (bytes) {
    case 1: std::memcpy(to, from, 1); break;
    case 2: std::memcpy(to, from, 2); break;
    case 4: std::memcpy(to, from, 4); break;
    default: std::memcpy(to, from, 8);
  }
}

// [begin, end) of the whole, on one thread.
[[gnu::noinline]] void run_chunk(const Prepared& p, const KernelArgs& a, const std::byte* cells, bool overlapping,
                                 int64_t begin, int64_t end) {
  const size_t slots = p.slots.size();
  auto* scratch = static_cast<std::byte*>(alloca(p.scratch + 64));
  scratch += (64 - reinterpret_cast<uintptr_t>(scratch) % 64) % 64;
  auto** at = static_cast<std::byte**>(alloca((slots + p.streams.size()) * sizeof(std::byte*)));
  for (size_t i = 0; i < slots; ++i) at[i] = scratch + p.slots[i];

  const auto run = [&](const std::vector<Step>& steps, int64_t n) {
    for (const Step& s : steps) {
      const void* in[kEwMaxInputs] = {at[s.in[0]], at[s.in[1]], at[s.in[2]]};
      s.loop(at[s.out], in, n, s.params);
    }
  };
  const int64_t most = std::min(p.tile, end - begin);
  for (const Spread& s : p.spreads) splat(at[s.to], cells + kCell * static_cast<size_t>(s.cell), most, s.bytes);
  for (const Row& r : p.rows) {
    std::memcpy(at[r.to], a.in[static_cast<size_t>(r.input)].raw(), static_cast<size_t>(p.row) * r.bytes);
  }
  run(p.once, p.row);
  for (const Repeat& r : p.repeats) repeat(at[r.place], p.row, most, r.bytes);

  for (int64_t from = begin; from < end; from += p.tile) {
    const int64_t n = std::min(p.tile, end - from);
    for (size_t i = 0; i < p.streams.size(); ++i) {
      const Stream& s = p.streams[i];
      const Tensor& t = (s.output ? a.out : a.in)[static_cast<size_t>(s.tensor)];
      at[slots + i] = static_cast<std::byte*>(t.mutable_raw()) + static_cast<size_t>(from) * s.bytes;
    }
    for (const Fill& f : p.fills) {
      auto* data = static_cast<std::byte*>(a.in[static_cast<size_t>(f.input)].mutable_raw());
      const int64_t phase = f.row ? from % p.row : 0;
      if (f.row && phase + n <= p.row) {
        at[f.to] = data + static_cast<size_t>(phase) * f.bytes;
      } else {
        at[f.to] = scratch + p.slots[static_cast<size_t>(f.slot)];
        fill_strided(data, f.bytes, f.stride, p.space, from, n, at[f.to]);
      }
    }
    if (overlapping) {
      for (const Overlap& o : p.overlaps) {
        if (a.in[static_cast<size_t>(o.input)].raw() != a.out[static_cast<size_t>(o.output)].raw()) continue;
        const size_t bytes = p.streams[static_cast<size_t>(o.stream) - slots].bytes;
        std::memcpy(at[o.slot], at[o.stream], static_cast<size_t>(n) * bytes);
        at[o.stream] = at[o.slot];
      }
    }
    run(p.loops, n);
  }
}

void run_prepared(const Prepared& p, const KernelArgs& a) {
  auto* cells = static_cast<std::byte*>(alloca(static_cast<size_t>(p.cells) * kCell + kCell));
  for (const Load& l : p.loads) {
    copy_element(cells + kCell * static_cast<size_t>(l.cell), a.in[static_cast<size_t>(l.tensor)].raw(), l.bytes);
  }
  for (const Step& s : p.cell_steps) {
    const void* in[kEwMaxInputs];
    for (int i = 0; i < kEwMaxInputs; ++i) in[i] = cells + kCell * static_cast<size_t>(s.in[i]);
    s.loop(cells + kCell * static_cast<size_t>(s.out), in, 1, s.params);
  }
  bool overlapping = false;
  for (const Overlap& o : p.overlaps) {
    overlapping |= a.in[static_cast<size_t>(o.input)].raw() == a.out[static_cast<size_t>(o.output)].raw();
  }
  if (!p.loops.empty()) {
    parallel_for(p.size, p.chunk, p.ns * static_cast<double>(p.size),
                 [&](int64_t begin, int64_t end) { run_chunk(p, a, cells, overlapping, begin, end); });
  }
  for (const Load& s : p.stores) {
    copy_element(a.out[static_cast<size_t>(s.tensor)].mutable_raw(), cells + kCell * static_cast<size_t>(s.cell),
                 s.bytes);
  }
}

void fused_kernel(const KernelArgs& a) {
  if (a.prepared) return run_prepared(*static_cast<const Prepared*>(a.prepared), a);
  Specs in, out;
  for (const Tensor& t : a.in) in.push_back(t.spec());
  for (const Tensor& t : a.out) out.push_back(t.spec());
  const std::shared_ptr<void> prepared = prepare_fused(in, out, a.attrs);
  run_prepared(*static_cast<const Prepared*>(prepared.get()), a);
}

}  // namespace

void register_fused_kernels() { define_kernel("fused", DeviceType::CPU, fused_kernel, prepare_fused); }

}  // namespace tahr
