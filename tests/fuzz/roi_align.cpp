// vmamba_roi_align_cpu and vmamba_roi_align_validate on any description and any boxes: what the
// header allows is computed, and equals sums in double; everything else is refused with a text.
#include "vmamba/multi_level_roi_align.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "bytes.h"
#include "harness.h"
#include "tensors.h"

namespace vmamba::tests {
namespace {

constexpr int kLevels = VMAMBA_ROI_ALIGN_LEVELS;
constexpr int64_t kMostElements = 4096;  // of a tensor

bool fits(std::initializer_list<int64_t> factors, __int128 most) {
  __int128 product = 1;
  for (const int64_t factor : factors) {
    product *= factor;
    if (product > most) return false;  // a further factor might not fit in 128 bits
  }
  return true;
}

bool is_valid(const vmamba_roi_align_desc &desc) {
  if (!are_dtypes(desc.in_dtype, desc.out_dtype)) return false;
  if (desc.batch < 0 || desc.boxes < 0 || desc.channels < 1) return false;
  const int64_t size = desc.output_size;
  if (size < 1 || size > 64) return false;
  for (int level = 0; level < kLevels; ++level) {
    const int64_t height = desc.heights[level], width = desc.widths[level];
    if (height < 1 || height > 65536 || width < 1 || width > 65536) return false;
    if (!fits({desc.channels, height, width, desc.batch, 4}, INT64_MAX)) return false;
  }
  const int64_t elements = std::max<int64_t>(desc.channels, 4);
  return fits({elements, size * size, desc.boxes, desc.batch, 4}, INT64_MAX);
}

// Whether a call is quick and fits in memory.
bool is_small(const vmamba_roi_align_desc &desc) {
  const int64_t batch = std::max<int64_t>(desc.batch, 1), size = desc.output_size;
  bool small =
      fits({batch, std::max<int64_t>(desc.boxes, 1), desc.channels, size * size}, kMostElements);
  for (int level = 0; level < kLevels; ++level) {
    small = small &&
            fits({batch, desc.channels, desc.heights[level], desc.widths[level]}, kMostElements);
  }
  return small;
}

struct Call {
  vmamba_roi_align_desc desc;
  std::vector<Memory> maps;
  Memory boxes;
  bool plain;  // maps that a comparison makes sense for, else any bits

  double pixel(int level, int64_t image, int64_t channel, int64_t y, int64_t x) const {
    const int64_t height = desc.heights[level], width = desc.widths[level];
    const int64_t at = ((image * desc.channels + channel) * height + y) * width + x;
    const unsigned char *const data = maps[static_cast<size_t>(level)].data.get();
    return load(data + static_cast<size_t>(at) * bytes_of(desc.in_dtype), desc.in_dtype);
  }
  const float *box(int64_t image, int64_t number) const {
    return reinterpret_cast<const float *>(boxes.data.get()) + (image * desc.boxes + number) * 4;
  }
  vmamba_roi_align_args args(Memory &y) const {
    return {{maps[0].data.get(), maps[1].data.get(), maps[2].data.get(), maps[3].data.get()},
            reinterpret_cast<const float *>(boxes.data.get()),
            y.data.get()};
  }
};

Call make_call(const vmamba_roi_align_desc &desc, Bytes &bytes) {
  const auto images = static_cast<size_t>(desc.batch);
  const size_t coordinates = images * static_cast<size_t>(desc.boxes) * 4;
  Call call{desc, {}, Memory(coordinates * sizeof(float)), bytes.choice(4) != 0};
  const size_t size = bytes_of(desc.in_dtype);
  for (int level = 0; level < kLevels; ++level) {
    const auto plane = static_cast<size_t>(desc.heights[level] * desc.widths[level]);
    const size_t count = images * static_cast<size_t>(desc.channels) * plane;
    Memory &memory = call.maps.emplace_back(count * size);
    // A few bytes fill a map of any size, each number another one.
    const auto seed = bytes.take<uint32_t>();
    for (size_t i = 0; i < count; ++i) {
      const uint32_t mixed = (static_cast<uint32_t>(i) + 1) * 2654435761u ^ seed;
      if (call.plain) {
        store(memory.data.get() + i * size, desc.in_dtype,
              plain_value(static_cast<uint8_t>(mixed >> 24)));
      } else {
        std::memcpy(memory.data.get() + i * size, &mixed, size);
      }
    }
  }
  for (size_t i = 0; i < coordinates; ++i) {
    // Mostly an eighth of a pixel to 16 either way, then to 2,048, else any bits.
    const int32_t kind = bytes.choice(8);
    const float value = kind < 5   ? static_cast<float>(bytes.take<int8_t>()) / 8.0f
                        : kind < 7 ? static_cast<float>(bytes.take<int16_t>()) / 16.0f
                                   : as_float(bytes.take<uint32_t>());
    std::memcpy(call.boxes.data.get() + i * sizeof(float), &value, sizeof(value));
  }
  return call;
}

// The level of a box; -1 where it does not count.
int level_of(const float *box) {
  const float width = box[2] - box[0], height = box[3] - box[1];
  if (!(width > 0 && width <= 32768 && height > 0 && height <= 32768)) return -1;
  const float side = std::sqrt(width * height), scale = side / 56.0f + 1e-6f;
  return std::min(std::max(static_cast<int>(std::floor(std::log2(double{scale}))), 0), 3);
}

// The mean weight of each pixel in each bin, [bins][size].
std::vector<double> weights_of(float low, float high, int level, int32_t bins, int64_t size) {
  std::vector<double> weights(static_cast<size_t>(bins * size));
  const auto stride = static_cast<float>(4 << level);
  const float start = low / stride - 0.5f, end = high / stride - 0.5f;
  const float bin_size = (end - start) / static_cast<float>(bins);
  const auto samples = static_cast<int32_t>(std::ceil(bin_size));
  for (int32_t bin = 0; bin < bins; ++bin) {
    for (int32_t i = 0; i < samples; ++i) {
      const float from = start + static_cast<float>(bin) * bin_size;
      const float position =
          from + (static_cast<float>(i) + 0.5f) * bin_size / static_cast<float>(samples);
      if (!(position >= -1.0f && position <= static_cast<float>(size))) continue;
      const double inside =
          std::clamp(static_cast<double>(position), 0.0, static_cast<double>(size - 1));
      const auto lower = static_cast<int64_t>(inside), upper = std::min(lower + 1, size - 1);
      const double share = inside - static_cast<double>(lower);
      weights[static_cast<size_t>(bin * size + lower)] += (1 - share) / samples;
      weights[static_cast<size_t>(bin * size + upper)] += share / samples;
    }
  }
  return weights;
}

// Every bin of one box.
void compare_box(const Call &call, int64_t image, int64_t number, const unsigned char *y) {
  const vmamba_roi_align_desc &desc = call.desc;
  const float *const box = call.box(image, number);
  const int level = level_of(box), from = std::max(level, 0);
  const int32_t bins = desc.output_size;
  const int64_t height = desc.heights[from], width = desc.widths[from];
  std::vector<double> down, across;
  if (level >= 0) down = weights_of(box[1], box[3], level, bins, height);
  if (level >= 0) across = weights_of(box[0], box[2], level, bins, width);
  const double rounding = desc.out_dtype == VMAMBA_FLOAT32   ? 0
                          : desc.out_dtype == VMAMBA_FLOAT16 ? 0x1p-10
                                                             : 0x1p-7;
  for (int64_t at = 0; at < desc.channels * bins * bins; ++at) {
    const int64_t channel = at / (bins * bins), row = at / bins % bins, column = at % bins;
    double wanted = 0;
    for (int64_t pixel = 0; level >= 0 && pixel < height * width; ++pixel) {
      const double weight = down[static_cast<size_t>(row * height + pixel / width)] *
                            across[static_cast<size_t>(column * width + pixel % width)];
      if (weight != 0) {
        wanted += weight * call.pixel(level, image, channel, pixel / width, pixel % width);
      }
    }
    const double got = load(y + static_cast<size_t>(at) * bytes_of(desc.out_dtype), desc.out_dtype);
    const double allowed = 2e-5 * (1 + std::abs(wanted)) + rounding * std::abs(wanted);
    promise(std::abs(got - wanted) <= allowed, "each bin is the mean of its samples");
  }
}

void compare(const Call &call, const Memory &y) {
  const vmamba_roi_align_desc &desc = call.desc;
  const size_t box_bytes =
      static_cast<size_t>(desc.channels * desc.output_size * desc.output_size) *
      bytes_of(desc.out_dtype);
  for (int64_t box = 0; box < desc.batch * desc.boxes; ++box) {
    compare_box(call, box / desc.boxes, box % desc.boxes,
                y.data.get() + static_cast<size_t>(box) * box_bytes);
  }
}

void run_valid(const vmamba_roi_align_desc &desc, Bytes &bytes) {
  const Call call = make_call(desc, bytes);
  const auto elements = static_cast<size_t>(desc.batch * desc.boxes * desc.channels *
                                            desc.output_size * desc.output_size);
  Memory y(elements * bytes_of(desc.out_dtype)), again(y.size);
  std::memset(y.data.get(), 0xff, y.size);
  const vmamba_roi_align_args args = call.args(y), args_again = call.args(again);
  const vmamba_executor own{nullptr, 1 + bytes.choice(3), nullptr};
  const vmamba_executor backwards{nullptr, 1 + bytes.choice(9), run_backwards};
  const bool threads = bytes.choice(32) == 0;
  promise(vmamba_roi_align_cpu(&desc, &args, threads ? &own : &backwards) == VMAMBA_OK,
          "it is computed");
  promise(vmamba_roi_align_cpu(&desc, &args_again, &backwards) == VMAMBA_OK, "and again");
  promise(equal_bits(desc.out_dtype, y, again), "equal bits in any order");
  if (call.plain) compare(call, y);
  if (desc.batch == 0 || desc.boxes == 0) return;
  vmamba_roi_align_args without = args;
  without.maps[bytes.choice(kLevels)] = nullptr;
  refuse(vmamba_roi_align_cpu(&desc, &without, nullptr));
  const vmamba_executor none{nullptr, -bytes.choice(2), nullptr};
  refuse(vmamba_roi_align_cpu(&desc, &args, &none));
}

vmamba_roi_align_desc take_desc(Bytes &bytes) {
  vmamba_roi_align_desc desc{};
  desc.batch = bytes.extent();
  desc.boxes = bytes.extent();
  desc.channels = bytes.extent();
  for (int level = 0; level < kLevels; ++level) {
    desc.heights[level] = bytes.extent();
    desc.widths[level] = bytes.extent();
    // More than a vector of lanes, now and then.
    if (desc.widths[level] > 0 && desc.widths[level] < 9) {
      desc.widths[level] *= bytes.choice(4) == 0 ? 9 : 1;
    }
  }
  desc.output_size = static_cast<int32_t>(bytes.extent());
  desc.in_dtype = take_dtype(bytes);
  desc.out_dtype = bytes.choice(2) == 0 ? VMAMBA_FLOAT32 : take_dtype(bytes);
  return desc;
}

}  // namespace

int run_input(const uint8_t *data, size_t size) {
  Bytes bytes(data, size);
  const vmamba_roi_align_desc desc = take_desc(bytes);
  const Interface<vmamba_roi_align_desc, vmamba_roi_align_args> op{vmamba_roi_align_validate,
                                                                   vmamba_roi_align_cpu};
  const bool valid = is_valid(desc);
  run_described(op, desc, valid, valid && is_small(desc), [&] { run_valid(desc, bytes); });
  return 0;
}

}  // namespace vmamba::tests
