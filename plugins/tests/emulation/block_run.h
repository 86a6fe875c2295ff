// One block of a launch: its threads as fibers, with the barriers at which they meet.
#ifndef VMAMBA_TESTS_EMULATION_BLOCK_RUN_H
#define VMAMBA_TESTS_EMULATION_BLOCK_RUN_H

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "fiber.h"

namespace vmamba::emulation {

constexpr int kLanes = 32;
constexpr int kBarriers = 16;  // of a block, as in hardware; 0 is that of __syncthreads

// A warp's exchange of values: each lane leaves some and finds those of the others once all 32 have
// come. Two sets of places in turn: a lane that is ahead cannot overwrite what another still reads.
struct WarpExchange {
  static constexpr int kWords = 8;
  uint32_t words[2][kLanes][kWords];
  const char *operation = nullptr;  // at which the lanes are
  int arrived = 0;
  uint64_t generation = 0;
};

struct BlockBarrier {
  std::vector<bool> has_arrived;  // by thread
  int arrived = 0;
  uint64_t generation = 0;
};

// Runs the threads of one block after another, each until it waits. What no GPU lets pass, lanes
// of a warp at different instructions, a thread that arrives twice, or a wait without end, stops
// the run with a text.
class BlockRun {
 public:
  // seed: of the order in which waiting threads go on; 0 is their number.
  BlockRun(int threads, uint64_t seed);

  // The text of what went wrong; empty where all threads came to the end.
  std::string run(void (*body)(void *), void *argument);

  // From within a thread: leaves this lane's words, waits for the warp's other lanes, and returns
  // the words of all.
  using Words = uint32_t[WarpExchange::kWords];
  const Words *exchange(const char *operation, const uint32_t *words, int count);

  // From within a thread. threads: how many must arrive before any goes on.
  void arrive(int barrier, int threads);
  void wait(int barrier, int threads);

  // From within a thread: ends the run with this text.
  [[noreturn]] void fail(const std::string &text);

  int threads() const { return static_cast<int>(threads_.size()); }

  static BlockRun *current();  // of the calling thread

 private:
  struct Thread {
    Fiber fiber;
    const uint64_t *waits_on = nullptr;  // a generation, to become another than
    uint64_t seen = 0;
    const char *operation = "";
  };

  bool is_blocked(const Thread &thread) const {
    return thread.waits_on != nullptr && *thread.waits_on == thread.seen;
  }
  bool pass(bool may_stall);  // whether any thread moved, or may have
  void wait_for(const uint64_t *generation, uint64_t seen, const char *operation);
  [[noreturn]] void stop();  // once failure_ is set
  std::string describe_waiting() const;

  std::vector<std::unique_ptr<Thread>> threads_;
  std::vector<WarpExchange> warps_;
  BlockBarrier barriers_[kBarriers];
  std::vector<int> warp_order_, lane_order_;
  const bool in_order_;
  std::mt19937_64 random_;
  int running_ = 0;  // thread number
  int unfinished_ = 0;
  std::string failure_;
};

}  // namespace vmamba::emulation

#endif  // VMAMBA_TESTS_EMULATION_BLOCK_RUN_H
