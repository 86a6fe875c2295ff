#include "cpu/scratch_pool.h"

#include <atomic>
#include <cstdlib>

namespace vmamba {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kLargestKept = size_t{64} << 20;
constexpr int kSlots = 64;

// Stands before the memory that a lease hands out and keeps it aligned.
struct alignas(kAlignment) Header {
  size_t bytes;
};

// Slots are exchanged, never locked: a process may fork while another thread is in a call.
class Pool {
 public:
  Header *take(size_t bytes) {
    for (auto &slot : slots_) {
      if (slot.load(std::memory_order_relaxed) == nullptr) continue;
      Header *buffer = slot.exchange(nullptr, std::memory_order_acquire);
      if (buffer == nullptr) continue;
      if (buffer->bytes >= bytes) return buffer;
      std::free(buffer);
      break;
    }
    const size_t total = (bytes + sizeof(Header) + kAlignment - 1) / kAlignment * kAlignment;
    auto *buffer = static_cast<Header *>(std::aligned_alloc(kAlignment, total));
    if (buffer != nullptr) buffer->bytes = bytes;
    return buffer;
  }

  void give_back(Header *buffer) {
    for (auto &slot : slots_) {
      if (buffer->bytes > kLargestKept) break;
      Header *empty = nullptr;
      if (slot.compare_exchange_strong(empty, buffer, std::memory_order_release)) return;
    }
    std::free(buffer);
  }

  ~Pool() {
    for (auto &slot : slots_) std::free(slot.exchange(nullptr));
  }

 private:
  std::atomic<Header *> slots_[kSlots] = {};
};

Pool pool;

}  // namespace

ScratchLease::ScratchLease(size_t bytes) : buffer_(pool.take(bytes)) {}

ScratchLease::~ScratchLease() {
  if (buffer_ != nullptr) pool.give_back(static_cast<Header *>(buffer_));
}

void *ScratchLease::memory() const {
  return buffer_ == nullptr ? nullptr : static_cast<Header *>(buffer_) + 1;
}

}  // namespace vmamba
