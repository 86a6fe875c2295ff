// Kernels that are right, and kernels with the faults that the emulator must find.
// usage: emulator_program KERNEL SEED; prints the result, or the launch's failure.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "cuda_emulation.h"

namespace vmamba {
namespace {

constexpr int kThreads = 96;
constexpr int kSharedBytes = 1024;

struct Params {
  float *out;  // [kThreads]
};

int thread() { return static_cast<int>(threadIdx.x); }
float *shared() { return reinterpret_cast<float *>(dynamic_shared()); }

// Every thread's value is its number, as far as shuffles and barriers do what they should.
__global__ void right(Params params) {
  const int lane = thread() % 32, warp = thread() / 32;
  const float up = shuffle_up(static_cast<float>(lane), 3);
  const float first = shuffle_from(static_cast<float>(thread()), 0);
  if (lane == 31) shared()[warp] = first;
  __syncthreads();
  const float expected_up = static_cast<float>(lane < 3 ? lane : lane - 3);
  params.out[thread()] = shared()[(warp + 1) % 3] + static_cast<float>(lane) + up - expected_up;
}

// The warps one after the other, each waiting for the one before.
__global__ void handed_over(Params params) {
  const int warp = thread() / 32;
  if (warp > 0) pair_wait<1, 2>(warp);
  params.out[thread()] = warp == 0 ? 0.0f : params.out[thread() - 32] + 1.0f;
  __syncwarp();
  if (warp < 2) pair_arrive<1, 2>(warp + 1);
}

// Row r of A holds r, column c of B holds c + 1, in all 16 terms: D is 16 r (c + 1) + 1.
__global__ void multiplied(Params params) {
  const int lane = thread() % 32, row = lane / 4, column = lane % 4 * 2;
  const auto both = [](int value) {
    return 0x10001u * __half_as_ushort(__float2half_rn(static_cast<float>(value)));
  };
  const uint32_t a[4] = {both(row), both(row + 8), both(row), both(row + 8)};
  const uint32_t b[2] = {both(row + 1), both(row + 1)};
  const float c[4] = {1.0f, 1.0f, 1.0f, 1.0f};
  float d[4];
  mma_k16(d, a, b, c, __half{});
  float wrong = 0.0f;
  for (int i = 0; i < 4; ++i) {
    wrong +=
        std::fabs(d[i] - static_cast<float>(16 * (row + i / 2 * 8) * (column + i % 2 + 1) + 1));
  }
  params.out[thread()] = wrong;
}

__global__ void no_barrier(Params params) {
  shared()[thread()] = static_cast<float>(thread());
  params.out[thread()] = shared()[(thread() + 1) % kThreads];
}

__global__ void never_written(Params params) { params.out[thread()] = shared()[0]; }

__global__ void beyond_shared(Params params) { params.out[thread()] = shared()[kSharedBytes / 4]; }

__global__ void diverged(Params) {
  if (thread() == 35) {
    __syncwarp();
  } else {
    shuffle_up(0.0f, 1);
  }
}

__global__ void lane_left(Params) {
  if (thread() == 5) return;
  shuffle_up(0.0f, 1);
}

__global__ void nobody_arrives(Params) {
  if (thread() / 32 == 1) pair_wait<4, 4>(4);
}

__global__ void arrives_twice(Params) {
  if (thread() / 32 != 0) return;
  pair_arrive<2, 2>(2);
  pair_arrive<2, 2>(2);
}

__global__ void one_warp_short(Params) {
  if (thread() / 32 < 2) __syncthreads();
}

constexpr struct {
  const char *name;
  void (*kernel)(Params);
} kKernels[] = {
    {"right", right},
    {"handed_over", handed_over},
    {"multiplied", multiplied},
    {"no_barrier", no_barrier},
    {"never_written", never_written},
    {"beyond_shared", beyond_shared},
    {"diverged", diverged},
    {"lane_left", lane_left},
    {"nobody_arrives", nobody_arrives},
    {"arrives_twice", arrives_twice},
    {"one_warp_short", one_warp_short},
};

}  // namespace
}  // namespace vmamba

int main(int count, char **arguments) {
  using namespace vmamba;
  if (count != 3) return 2;
  emulation::device().seed = std::strtoull(arguments[2], nullptr, 10);
  float out[kThreads] = {};
  for (const auto &entry : kKernels) {
    if (std::strcmp(entry.name, arguments[1]) != 0) continue;
    const Grid grid{1, kThreads, kSharedBytes, false};
    if (launch(entry.kernel, entry.name, grid, nullptr, Params{out}) != VMAMBA_OK) {
      std::printf("%s\n", vmamba_last_error());
      return 1;
    }
    for (const float value : out) std::printf("%g ", static_cast<double>(value));
    return 0;
  }
  return 2;
}
