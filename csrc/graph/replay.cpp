#include "graph/replay.h"

namespace tahr::graph {
namespace {
// Recording costs about as much as running step by step: it is given up where so many served so few replays each.
constexpr uint64_t kTrials = 16, kWorthwhile = 4;
}  // namespace

void Replay::run(const std::vector<const void*>& places, const std::function<void()>& steps) {
  if (recording_ && places == recorded_) {
    recording_->replay();
    ++replays_;
    return;
  }
  if (!possible() || places != last_) {
    last_ = places;
    steps();
    return;
  }
  recording_.reset();
  try {
    recording_ = DeviceRecording::make(device_, steps);
  } catch (const Error& e) {
    if (e.kind() == ErrorKind::Memory) throw;
    obstacle_ = e.what();
  }
  if (!recording_) return steps();
  recorded_ = places;
  recording_->replay();
  ++replays_;
  if (++recordings_ >= kTrials && replays_ < recordings_ * kWorthwhile) {
    recording_.reset();
    obstacle_ =
        concat("the memory that it works on moved too often: ", recordings_, " recordings, ", replays_, " replays");
  }
}

std::string Replay::str() const {
  if (!possible()) return concat("step by step: ", obstacle_);
  if (!recording_) return "not recorded yet";
  return concat("one recording of ", recording_->nodes(), " nodes, replayed ", replays_, " times (recorded ",
                recordings_, recordings_ == 1 ? " time)" : " times)");
}

}  // namespace tahr::graph
