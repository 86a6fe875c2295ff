#include "block_run.h"

#include <algorithm>
#include <numeric>

#include "cuda_builtins.h"
#include "race_detector.h"

namespace vmamba::emulation {
namespace {

thread_local BlockRun *current_run = nullptr;

std::string name_of(int thread) {
  return "lane " + std::to_string(thread % kLanes) + " of warp " + std::to_string(thread / kLanes);
}

}  // namespace

BlockRun *BlockRun::current() { return current_run; }

BlockRun::BlockRun(int threads, uint64_t seed)
    : warps_(static_cast<size_t>(threads / kLanes)),
      warp_order_(static_cast<size_t>(threads / kLanes)),
      lane_order_(kLanes),
      in_order_(seed == 0),
      random_(seed) {
  for (int i = 0; i < threads; ++i) threads_.push_back(std::make_unique<Thread>());
  std::iota(warp_order_.begin(), warp_order_.end(), 0);
  std::iota(lane_order_.begin(), lane_order_.end(), 0);
}

std::string BlockRun::run(void (*body)(void *), void *argument) {
  failure_.clear();
  for (WarpExchange &warp : warps_) warp = WarpExchange{};
  for (BlockBarrier &barrier : barriers_) {
    barrier = BlockBarrier{};
    barrier.has_arrived.resize(threads_.size());
  }
  for (auto &thread : threads_) {
    thread->waits_on = nullptr;
    thread->fiber.reset(body, argument);
  }
  unfinished_ = threads();
  current_run = this;
  while (unfinished_ > 0 && failure_.empty()) {
    const bool moved = pass(true) || pass(false);
    if (!moved && failure_.empty()) failure_ = "a wait without end: " + describe_waiting();
  }
  current_run = nullptr;
  return failure_;
}

// may_stall: some warps are left out, so that others get ahead of them.
bool BlockRun::pass(bool may_stall) {
  bool moved = false;
  if (!in_order_) {
    std::shuffle(warp_order_.begin(), warp_order_.end(), random_);
    std::shuffle(lane_order_.begin(), lane_order_.end(), random_);
  }
  for (const int warp : warp_order_) {
    if (may_stall && !in_order_ && random_() % 2 == 0) continue;
    for (const int lane : lane_order_) {
      const int number = warp * kLanes + lane;
      Thread &thread = *threads_[static_cast<size_t>(number)];
      if (thread.fiber.finished() || is_blocked(thread)) continue;
      moved = true;
      running_ = number;
      threadIdx.x = static_cast<unsigned>(number);
      thread.waits_on = nullptr;
      thread.fiber.resume();
      if (thread.fiber.finished()) --unfinished_;
      if (!failure_.empty()) return true;
    }
  }
  return moved;
}

void BlockRun::wait_for(const uint64_t *generation, uint64_t seen, const char *operation) {
  Thread &thread = *threads_[static_cast<size_t>(running_)];
  thread.waits_on = generation;
  thread.seen = seen;
  thread.operation = operation;
  thread.fiber.yield();
}

void BlockRun::fail(const std::string &text) {
  failure_ = text;
  stop();
}

// The scheduler sees the failure and never comes back: what the fiber owns is lost.
void BlockRun::stop() {
  for (;;) threads_[static_cast<size_t>(running_)]->fiber.yield();
}

const BlockRun::Words *BlockRun::exchange(const char *operation, const uint32_t *words, int count) {
  WarpExchange &warp = warps_[static_cast<size_t>(running_ / kLanes)];
  if (warp.arrived > 0 && warp.operation != operation) {
    failure_ =
        name_of(running_) + " is at " + operation + ", others of its warp at " + warp.operation;
    stop();
  }
  warp.operation = operation;
  const uint64_t seen = warp.generation;
  Words *const places = warp.words[seen % 2];
  std::copy(words, words + count, places[running_ % kLanes]);
  if (++warp.arrived == kLanes) {
    warp.arrived = 0;
    ++warp.generation;
  } else {
    wait_for(&warp.generation, seen, operation);
  }
  return places;
}

void BlockRun::arrive(int number, int count) {
  BlockBarrier &barrier = barriers_[number];
  const size_t thread = static_cast<size_t>(running_);
  if (barrier.has_arrived[thread]) {
    failure_ = name_of(running_) + " arrives again at barrier " + std::to_string(number) +
               ", which its last round has not left";
    stop();
  }
  barrier.has_arrived[thread] = true;
  RaceDetector::instance().arrive(running_ / kLanes, number);
  if (++barrier.arrived < count) return;
  RaceDetector::instance().release(number);
  barrier.arrived = 0;
  barrier.has_arrived.assign(threads_.size(), false);
  ++barrier.generation;
}

void BlockRun::wait(int number, int count) {
  const BlockBarrier &barrier = barriers_[number];
  const uint64_t seen = barrier.generation;
  arrive(number, count);
  static const char *const names[kBarriers] = {
      "__syncthreads", "barrier 1",  "barrier 2",  "barrier 3", "barrier 4",  "barrier 5",
      "barrier 6",     "barrier 7",  "barrier 8",  "barrier 9", "barrier 10", "barrier 11",
      "barrier 12",    "barrier 13", "barrier 14", "barrier 15"};
  if (barrier.generation == seen) wait_for(&barrier.generation, seen, names[number]);
  RaceDetector::instance().pass(running_ / kLanes, number);
}

std::string BlockRun::describe_waiting() const {
  std::string text;
  int shown = 0;
  for (int i = 0; i < threads() && shown < 4; ++i) {
    const Thread &thread = *threads_[static_cast<size_t>(i)];
    if (thread.fiber.finished() || !is_blocked(thread)) continue;
    text += (shown++ > 0 ? ", " : "") + name_of(i) + " at " + thread.operation;
  }
  return text + "; " + std::to_string(threads() - unfinished_) + " threads have ended";
}

}  // namespace vmamba::emulation
