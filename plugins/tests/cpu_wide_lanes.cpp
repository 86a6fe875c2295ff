// The 16-lane logic of the AVX-512 build, proven on a machine that has AVX2 alone: the same source,
// at 16 lanes, compiled for AVX2 (wide_lanes_build.cpp). fma is explicit and channels do not mix,
// so every result must have the bits of the AVX2 build. Where AVX-512 is there, its build must have
// them too.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "common/four_routes.h"
#include "cpu/cpu_build.h"

#if defined(__x86_64__)

#include "wide_lanes_build.h"

namespace {

using vmamba::BlockTask;
using vmamba::CpuBuild;

struct Inputs {
  std::vector<unsigned char> x, proj;
  std::vector<float> dt_weight, dt_bias, a, d;
};

size_t bytes_of(int32_t dtype) { return dtype == VMAMBA_FLOAT32 ? 4 : 2; }

// Random values of a dtype as bytes; the top bits of a float are a bfloat16, and a float16 is built
// from a sign, an exponent near 1 and a random mantissa.
std::vector<unsigned char> random_bytes(size_t count, int32_t dtype, std::mt19937 &engine) {
  std::normal_distribution<float> normal;
  std::vector<unsigned char> bytes(count * bytes_of(dtype));
  for (size_t i = 0; i < count; ++i) {
    const float value = normal(engine);
    uint32_t raw;
    std::memcpy(&raw, &value, sizeof(raw));
    if (dtype != VMAMBA_FLOAT32) {
      const uint32_t random = engine();
      const uint16_t half = dtype == VMAMBA_BFLOAT16
                                ? static_cast<uint16_t>(raw >> 16)
                                : static_cast<uint16_t>((random & 0x83ffu) | (random % 16 << 10));
      std::memcpy(&bytes[i * 2], &half, sizeof(half));
    } else {
      std::memcpy(&bytes[i * 4], &raw, sizeof(raw));
    }
  }
  return bytes;
}

std::vector<float> random_floats(size_t count, float low, float high, std::mt19937 &engine) {
  std::uniform_real_distribution<float> uniform(low, high);
  std::vector<float> values(count);
  for (float &value : values) value = uniform(engine);
  return values;
}

std::vector<unsigned char> run(const CpuBuild &build, const vmamba_selective_scan_desc &desc,
                               const Inputs &inputs, int32_t block_vectors) {
  const size_t outputs = static_cast<size_t>(desc.batch * desc.height * desc.width * desc.channels);
  std::vector<unsigned char> y(outputs * bytes_of(desc.out_dtype), 0xff);
  const vmamba_selective_scan_args args = {inputs.x.data(),
                                           inputs.proj.data(),
                                           inputs.dt_weight.data(),
                                           inputs.dt_bias.data(),
                                           inputs.a.data(),
                                           inputs.d.data(),
                                           y.data()};
  const size_t bytes = build.scratch_bytes(desc, block_vectors);
  void *scratch = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
  for (int64_t image = 0; image < desc.batch; ++image) {
    const int64_t vectors = (desc.channels + build.lanes - 1) / build.lanes;
    for (int64_t first = 0; first < vectors; first += block_vectors) {
      const int64_t left = vectors - first;
      const int32_t width = left < block_vectors ? static_cast<int32_t>(left) : block_vectors;
      build.run(BlockTask{&desc, &args, image, first * build.lanes, width, scratch});
    }
  }
  std::free(scratch);
  return y;
}

bool same_bits(const CpuBuild &build, const vmamba_selective_scan_desc &desc,
               std::mt19937 &engine) {
  const size_t pixels = static_cast<size_t>(desc.batch * desc.height * desc.width);
  const size_t channels = static_cast<size_t>(desc.channels);
  const size_t features = 4 * static_cast<size_t>(desc.rank + 2 * desc.state);
  Inputs inputs;
  inputs.x = random_bytes(pixels * channels, desc.in_dtype, engine);
  inputs.proj = random_bytes(pixels * features, desc.in_dtype, engine);
  inputs.dt_weight =
      random_floats(4 * static_cast<size_t>(desc.rank) * channels, -0.4f, 0.4f, engine);
  inputs.dt_bias = random_floats(4 * channels, -6.0f, 1.0f, engine);
  inputs.a = random_floats(4 * static_cast<size_t>(desc.state) * channels, -16.0f, -0.4f, engine);
  inputs.d = random_floats(4 * channels, -2.0f, 2.0f, engine);
  const std::vector<unsigned char> expected = run(vmamba::kAvx2Build, desc, inputs, 2);
  bool same = true;
  for (int32_t width = 1; width <= vmamba::kMaxBlockVectors; ++width) {
    if (run(build, desc, inputs, width) != expected) {
      std::printf("%s, %d vectors: other bits for D=%lld N=%d R=%d dtypes %d, %d\n", build.name,
                  width, static_cast<long long>(desc.channels), desc.state, desc.rank,
                  desc.in_dtype, desc.out_dtype);
      same = false;
    }
  }
  return same;
}

bool same_bits_everywhere(const CpuBuild &build) {
  std::mt19937 engine(std::random_device{}());
  const int32_t dtypes[][2] = {{1, 1}, {10, 1}, {10, 10}, {16, 1}, {16, 16}};
  const vmamba_scan_desc shapes[] = {{2, 7, 5, 97, 1, 6, 0, 0},
                                     {1, 1, 40, 1, 3, 1, 0, 0},
                                     {1, 9, 4, 48, 2, 24, 0, 0},
                                     {1, 3, 11, 100, 16, 5, 0, 0}};
  bool same = true;
  for (const auto &dtype : dtypes) {
    for (vmamba_scan_desc desc : shapes) {
      desc.in_dtype = dtype[0];
      desc.out_dtype = dtype[1];
      same = same_bits(build, vmamba::four_routes(desc), engine) && same;
    }
  }
  std::printf("%s: %s\n", build.name, same ? "the bits of AVX2" : "DIFFERENT");
  return same;
}

}  // namespace

int main() {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") ||
      !__builtin_cpu_supports("f16c")) {
    std::puts("skipped: this machine lacks AVX2, FMA or F16C");
    return 77;
  }
  bool ok = vmamba::sweep_wide_lanes() && same_bits_everywhere(vmamba::kWideTestBuild);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    ok = same_bits_everywhere(vmamba::kAvx512Build) && ok;
  } else {
    std::puts("the AVX-512 build itself: not run, this machine lacks AVX-512");
  }
  return ok ? 0 : 1;
}

#else

int main() {
  std::puts("skipped: needs x86-64");
  return 77;
}

#endif
