// Finds accesses of shared memory by two warps that no barrier puts in an order.
#ifndef VMAMBA_TESTS_EMULATION_RACE_DETECTOR_H
#define VMAMBA_TESTS_EMULATION_RACE_DETECTOR_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace vmamba::emulation {

// Vector clocks: what a warp knows of the others' progress passes on at barriers, also through a
// third warp, which a GPU's own tool does not follow. An access is a race where the warp that made
// the one before it, of which one writes, may not have come so far; in whatever order they ran
// here. Sees accesses of code that was compiled with GCC's -fsanitize=thread, whose calls it takes
// in the place of libtsan; of other code it sees none.
class RaceDetector {
 public:
  static constexpr int kWarps = 32, kBarriers = 16;

  static RaceDetector &instance();

  void begin_block(const unsigned char *shared, size_t bytes);
  void end_block() { shared_ = nullptr; }

  // A thread of a warp has come to a barrier, all have, and one goes on behind it.
  void arrive(int warp, int barrier);
  void release(int barrier);
  void pass(int warp, int barrier);

  // The text of a race, empty where there is none.
  std::string access(int warp, const void *address, size_t bytes, bool writes);

  bool is_watching() const { return is_watching_; }
  void watch() { is_watching_ = true; }

 private:
  using Clock = std::array<uint32_t, kWarps>;
  struct Word {
    int writer = -1;
    uint32_t written_at = 0;
    Clock read_at{};
  };

  static void join(Clock &clock, const Clock &other);

  bool is_watching_ = false;
  const unsigned char *shared_ = nullptr;
  std::vector<Word> words_;  // of four bytes
  std::array<Clock, kWarps> clocks_{};
  std::array<Clock, kBarriers> arriving_{}, released_{};
};

}  // namespace vmamba::emulation

#endif  // VMAMBA_TESTS_EMULATION_RACE_DETECTOR_H
