#include "race_detector.h"

#include <algorithm>

#include "block_run.h"
#include "cuda_builtins.h"

namespace vmamba::emulation {

RaceDetector &RaceDetector::instance() {
  static RaceDetector detector;
  return detector;
}

void RaceDetector::begin_block(const unsigned char *shared, size_t bytes) {
  if (!is_watching_) return;
  shared_ = shared;
  words_.assign(bytes / sizeof(uint32_t), Word{});
  for (int warp = 0; warp < kWarps; ++warp) {
    clocks_[warp] = Clock{};
    clocks_[warp][warp] = 1;
  }
  arriving_ = released_ = {};
}

void RaceDetector::join(Clock &clock, const Clock &other) {
  std::transform(clock.begin(), clock.end(), other.begin(), clock.begin(),
                 [](uint32_t own, uint32_t theirs) { return std::max(own, theirs); });
}

void RaceDetector::arrive(int warp, int barrier) {
  join(arriving_[barrier], clocks_[warp]);
  ++clocks_[warp][warp];  // what comes now is behind the barrier
}

void RaceDetector::release(int barrier) {
  released_[barrier] = arriving_[barrier];
  arriving_[barrier] = Clock{};
}

void RaceDetector::pass(int warp, int barrier) { join(clocks_[warp], released_[barrier]); }

std::string RaceDetector::access(int warp, const void *address, size_t bytes, bool writes) {
  const size_t offset = static_cast<size_t>(static_cast<const unsigned char *>(address) - shared_);
  if (shared_ == nullptr || offset >= words_.size() * sizeof(uint32_t)) return "";
  const Clock &known = clocks_[warp];
  const auto race = [&](const char *what, int other, size_t word) {
    return "warp " + std::to_string(warp) + (writes ? " writes" : " reads") + " word " +
           std::to_string(word) + " of shared memory, which warp " + std::to_string(other) + what +
           " and no barrier lies between";
  };
  const size_t last = (offset + bytes - 1) / sizeof(uint32_t);
  for (size_t i = offset / sizeof(uint32_t); i <= last && i < words_.size(); ++i) {
    Word &word = words_[i];
    if (word.writer >= 0 && word.writer != warp && word.written_at > known[word.writer]) {
      return race(" has written", word.writer, i);
    }
    for (int other = 0; writes && other < kWarps; ++other) {
      if (other != warp && word.read_at[other] > known[other]) return race(" has read", other, i);
    }
    if (writes) {
      word.writer = warp;
      word.written_at = known[warp];
    } else {
      word.read_at[warp] = known[warp];
    }
  }
  return "";
}

namespace {

void check(const void *address, size_t bytes, bool writes) {
  BlockRun *const block = BlockRun::current();
  if (block == nullptr) return;  // the host's own code
  const int warp = static_cast<int>(threadIdx.x) / kLanes;
  const std::string text = RaceDetector::instance().access(warp, address, bytes, writes);
  if (!text.empty()) block->fail(text);
}

}  // namespace
}  // namespace vmamba::emulation

// What GCC's instrumentation calls.
extern "C" {
void __tsan_init() { vmamba::emulation::RaceDetector::instance().watch(); }
void __tsan_func_entry(void *) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void **, void *) {}
void __tsan_vptr_read(void **) {}
void __tsan_read_range(void *at, size_t bytes) { vmamba::emulation::check(at, bytes, false); }
void __tsan_write_range(void *at, size_t bytes) { vmamba::emulation::check(at, bytes, true); }

#define VMAMBA_ACCESS(bytes)                                                                  \
  void __tsan_read##bytes(void *at) { vmamba::emulation::check(at, bytes, false); }           \
  void __tsan_write##bytes(void *at) { vmamba::emulation::check(at, bytes, true); }           \
  void __tsan_unaligned_read##bytes(void *at) { vmamba::emulation::check(at, bytes, false); } \
  void __tsan_unaligned_write##bytes(void *at) { vmamba::emulation::check(at, bytes, true); }
VMAMBA_ACCESS(1)
VMAMBA_ACCESS(2)
VMAMBA_ACCESS(4)
VMAMBA_ACCESS(8)
VMAMBA_ACCESS(16)
#undef VMAMBA_ACCESS
}
