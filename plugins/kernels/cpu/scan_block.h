// The scan of one image and one block of channels: all routes, then the merged result.
//
// Per route the map is walked in tiles of kTilePixels: a small matrix product gives the step sizes,
// the special functions run over the whole tile (independent, so at full throughput), and only the
// recurrence itself is sequential, for V vectors of channels at once. The merged map of the block
// stays in the cache for all routes.
//
// Where the routes share their x, one multiplication with the sum of their d at the end is the skip
// of them all; else each visit of a pixel adds its own.
//
// Steps, and with them states and the merged map, are in units of log(2) until the result is
// written: with dt_weight and dt_bias scaled by log2(e) once, softplus and decay need powers of 2
// alone.
#ifndef VMAMBA_KERNELS_CPU_SCAN_BLOCK_H
#define VMAMBA_KERNELS_CPU_SCAN_BLOCK_H

#include "cpu/cpu_build.h"
#include "cpu/half_types.h"
#include "cpu/lanes.h"
#include "cpu/route_walk.h"
#include "cpu/scratch_layout.h"
#include "cpu/vector_math.h"

namespace vmamba {
namespace VMAMBA_BUILD {

template <int K>
VMAMBA_INLINE void load_group(const float *source, Vec (&group)[K]) {
  VMAMBA_UNROLL for (int k = 0; k < K; ++k) group[k] = load(source + k * kLanes);
}

template <int K>
VMAMBA_INLINE void store_group(float *target, const Vec (&group)[K]) {
  VMAMBA_UNROLL for (int k = 0; k < K; ++k) store(target + k * kLanes, group[k]);
}

constexpr float kLog2E = 0x1.715476p+0f, kLn2 = 0x1.62e430p-1f;

template <typename In, int V>
class BlockScan {
 public:
  static constexpr int kChannels = V * kLanes;
  static constexpr int kProjectPixels = 4;             // that the matrix product takes at a time
  static constexpr int kGroupPixels = V == 1 ? 4 : 2;  // and the special functions
  static constexpr int kGroup = kGroupPixels * V;
  static_assert(kTilePixels % kProjectPixels == 0 && kProjectPixels % kGroupPixels == 0,
                "a short tile is completed to whole groups of both");

  explicit BlockScan(const BlockTask &task)
      : desc_(*task.desc),
        args_(*task.args),
        pixels_(desc_.height * desc_.width),
        channels_(desc_.channels),
        first_channel_(task.first_channel),
        last_lanes_(lanes_of_last_vector(task)),
        features_(shared_features(desc_)),
        b_at_(features_ - 2 * desc_.state),
        strides_(desc_),
        map_offset_(task.image * pixels_ * channels_ + first_channel_),
        proj_offset_(task.image * pixels_ * strides_.proj_pixel + channel_steps()),
        scratch_(desc_, kChannels, task.scratch) {}

  void run() {
    if (!desc_.x_per_route) sum_skips();
    for (int route = 0; route < desc_.routes; ++route) run_route(route);
    switch (desc_.out_dtype) {
      case VMAMBA_FLOAT16:
        return write_merged(static_cast<Half *>(args_.y));
      case VMAMBA_BFLOAT16:
        return write_merged(static_cast<BFloat16 *>(args_.y));
      default:
        return write_merged(static_cast<float *>(args_.y));
    }
  }

 private:
  static int lanes_of_last_vector(const BlockTask &task) {
    const int64_t left = task.desc->channels - task.first_channel - (V - 1) * kLanes;
    return left < kLanes ? static_cast<int>(left) : kLanes;
  }

  // Features of a pixel and route that stand before the shared ones.
  int64_t channel_steps() const { return has_channel_steps(desc_) ? channels_ : 0; }

  int lanes(int vector) const { return vector == V - 1 ? last_lanes_ : kLanes; }

  // Elements from one to the next, of x and proj.
  struct Strides {
    int64_t x_route, proj_route, proj_pixel;

    explicit Strides(const vmamba_selective_scan_desc &desc) {
      const int64_t features = desc.dt_features + 2 * static_cast<int64_t>(desc.state);
      const int64_t pixels = desc.batch * desc.height * desc.width;
      x_route = desc.x_per_route ? pixels * desc.channels : 0;
      proj_route = desc.x_per_route ? pixels * features : features;
      proj_pixel = desc.x_per_route ? features : desc.routes * features;
    }
  };

  void sum_skips() {
    for (int v = 0; v < V; ++v) {
      Vec sum = splat(0.0f);
      for (int route = 0; route < desc_.routes; ++route) {
        sum = sum + load_lanes(parameter(args_.d, route, v), lanes(v));
      }
      store(scratch_.skip + v * kLanes, sum);
    }
  }

  void run_route(int route) {
    x_ = static_cast<const In *>(args_.x) + route * strides_.x_route + map_offset_;
    proj_ = static_cast<const In *>(args_.proj) + route * strides_.proj_route + proj_offset_;
    pack_parameters(route);
    memset(scratch_.state, 0, static_cast<size_t>(desc_.state) * kChannels * sizeof(float));
    RouteWalk walk(desc_.direction[route], desc_.height, desc_.width);
    for (int64_t done = 0; done < pixels_; done += kTilePixels) {
      const int64_t left = pixels_ - done;
      count_ = left < kTilePixels ? static_cast<int>(left) : kTilePixels;
      enter_tile(walk);
      if (has_channel_steps(desc_)) {
        scale_steps();
      } else {
        project_steps();
      }
      compute_steps();
      for (int n = 0; n < desc_.state; ++n) {
        compute_decay(n);
        if (route == 0 && n == 0) {
          advance_state<true>(n);
        } else {
          advance_state<false>(n);
        }
      }
      if (desc_.x_per_route) add_skips();
    }
  }

  // The passes over a tile work on whole groups of pixels: those of a short tile are completed with
  // its last pixel, and what is computed there is not used.
  void enter_tile(RouteWalk &walk) {
    const int padded = (count_ + kProjectPixels - 1) / kProjectPixels * kProjectPixels;
    const In *const proj = proj_;
    const int64_t stride = strides_.proj_pixel;
    for (int t = 0; t < padded; ++t) {
      const int64_t pixel = walk.next();
      pixel_[t] = pixel;
      row_[t] = proj_row(proj + pixel * stride, t);
    }
  }

  // A row of a [K, rows, D] parameter (rows = 1: [K, D]) at this block's vector v.
  const float *parameter(const float *base, int64_t row, int v) const {
    return base + row * channels_ + first_channel_ + v * kLanes;
  }

  void pack_parameters(int route) {
    for (int v = 0; v < V; ++v) {
      const int at = v * kLanes;
      if (desc_.x_per_route) {
        store(scratch_.skip + at, kLog2E * load_lanes(parameter(args_.d, route, v), lanes(v)));
      }
      store(scratch_.dt_bias + at,
            kLog2E * load_lanes(parameter(args_.dt_bias, route, v), lanes(v)));
      for (int r = 0; r < desc_.rank; ++r) {
        store(scratch_.dt_weight + r * kChannels + at,
              kLog2E * load_lanes(parameter(args_.dt_weight, route * desc_.rank + r, v), lanes(v)));
      }
      for (int n = 0; n < desc_.state; ++n) {
        store(scratch_.a + n * kChannels + at,
              load_lanes(parameter(args_.a, route * desc_.state + n, v), lanes(v)));
      }
    }
  }

  const float *proj_row(const float *source, int) { return source; }

  template <typename T>
  const float *proj_row(const T *source, int t) {
    float *row = scratch_.proj + t * features_;
    int f = 0;
    for (; f + kLanes <= features_; f += kLanes) store(row + f, load(source + f));
    if (f < features_) store(row + f, load_lanes(source + f, features_ - f));
    return row;
  }

  // delta tile = dt rows (count, R) times dt_weight (R, C), plus the bias: last, because it may be
  // large, and then each further term would be rounded to it.
  void project_steps() {
    constexpr int P = kProjectPixels;
    float *delta = scratch_.delta;
    const int count = count_, rank = desc_.rank;
    Vec bias[V];
    load_group(scratch_.dt_bias, bias);
    for (int t = 0; t < count; t += P, delta += P * kChannels) {
      Vec sum[P][V];
      const float *row[P];
      VMAMBA_UNROLL for (int p = 0; p < P; ++p) {
        VMAMBA_UNROLL for (int v = 0; v < V; ++v) sum[p][v] = splat(0.0f);
        row[p] = row_[t + p];
      }
      const float *weight = scratch_.dt_weight;
      for (int r = 0; r < rank; ++r, weight += kChannels) {
        Vec w[V];
        load_group(weight, w);
        VMAMBA_UNROLL for (int p = 0; p < P; ++p) {
          const Vec dt = splat(row[p][r]);
          VMAMBA_UNROLL for (int v = 0; v < V; ++v) sum[p][v] = fma(dt, w[v], sum[p][v]);
        }
      }
      VMAMBA_UNROLL for (int p = 0; p < P; ++p) {
        VMAMBA_UNROLL for (int v = 0; v < V; ++v) sum[p][v] = sum[p][v] + bias[v];
        store_group(delta + p * kChannels, sum[p]);
      }
    }
  }

  // The same where each channel has a step of its own: dt (count, C) times dt_weight (C).
  void scale_steps() {
    Vec weight[V], bias[V];
    load_group(scratch_.dt_weight, weight);
    load_group(scratch_.dt_bias, bias);
    // A short tile is completed as the special functions ask: kProjectPixels are whole groups.
    const int padded = (count_ + kProjectPixels - 1) / kProjectPixels * kProjectPixels;
    for (int t = 0; t < padded; ++t) {
      const In *const dt = proj_ + pixel_[t] * strides_.proj_pixel - channels_ + first_channel_;
      float *const delta = scratch_.delta + t * kChannels;
      for (int v = 0; v < V; ++v) {
        const Vec step = load_lanes(dt + v * kLanes, lanes(v));
        store(delta + v * kLanes, fma(step, weight[v], bias[v]));
      }
    }
  }

  // delta = softplus(delta) and driven = delta * x.
  void compute_steps() {
    float *delta = scratch_.delta;
    float *driven = scratch_.driven;
    const In *const x = x_;
    const int64_t channels = channels_;
    const int count = count_, last_lanes = last_lanes_;
    for (int t = 0; t < count; t += kGroupPixels) {
      Vec step[kGroup];
      load_group(delta, step);
      softplus2(step);
      store_group(delta, step);
      VMAMBA_UNROLL for (int p = 0; p < kGroupPixels; ++p) {
        const In *const x_here = x + pixel_[t + p] * channels;
        VMAMBA_UNROLL for (int v = 0; v < V; ++v) {
          const Vec input = load_lanes(x_here + v * kLanes, v == V - 1 ? last_lanes : kLanes);
          store(driven + (p * V + v) * kLanes, step[p * V + v] * input);
        }
      }
      delta += kGroup * kLanes;
      driven += kGroup * kLanes;
    }
  }

  // decay = exp(delta * a), several pixels at a time.
  void compute_decay(int n) {
    Vec a[V];
    load_group(scratch_.a + n * kChannels, a);
    const float *const delta = scratch_.delta;
    float *const decay = scratch_.decay;
    const int floats = count_ * kChannels;
    for (int at = 0; at < floats; at += kGroup * kLanes) {
      Vec z[kGroup];
      load_group(delta + at, z);
      VMAMBA_UNROLL for (int k = 0; k < kGroup; ++k) z[k] = z[k] * a[k % V];
      exp2(z);
      store_group(decay + at, z);
    }
  }

  // h = decay * h + B * (delta * x), merge += C * h; the first of all starts the merged map.
  template <bool kFirst>
  void advance_state(int n) {
    Vec h[V];
    load_group(scratch_.state + n * kChannels, h);
    const float *decay = scratch_.decay;
    const float *driven = scratch_.driven;
    float *const merge = scratch_.merge;
    const int b_at = b_at_ + n;
    const int c_at = b_at + desc_.state;
    const int count = count_;
    for (int t = 0; t < count; ++t, decay += kChannels, driven += kChannels) {
      const Vec b = splat(row_[t][b_at]);
      const Vec c = splat(row_[t][c_at]);
      float *merged = merge + pixel_[t] * kChannels;
      VMAMBA_UNROLL for (int v = 0; v < V; ++v) {
        h[v] = fma(load(decay + v * kLanes), h[v], b * load(driven + v * kLanes));
        store(merged + v * kLanes, kFirst ? c * h[v] : fma(c, h[v], load(merged + v * kLanes)));
      }
    }
    store_group(scratch_.state + n * kChannels, h);
  }

  // merge += d * x, in the unit of the merged map.
  void add_skips() {
    Vec skip[V];
    load_group(scratch_.skip, skip);
    for (int t = 0; t < count_; ++t) {
      const In *const x = x_ + pixel_[t] * channels_;
      float *const merged = scratch_.merge + pixel_[t] * kChannels;
      for (int v = 0; v < V; ++v) {
        const int at = v * kLanes;
        store(merged + at, fma(skip[v], load_lanes(x + at, lanes(v)), load(merged + at)));
      }
    }
  }

  template <typename Out>
  void write_merged(Out *y) const {
    if (desc_.x_per_route) {
      write_merged<false>(y + map_offset_);
    } else {
      write_merged<true>(y + map_offset_);
    }
  }

  // y = merge, back in its own unit, plus the skips that are not in it yet.
  template <bool kSkips, typename Out>
  void write_merged(Out *y) const {
    const float *merge = scratch_.merge;
    const In *x = x_;
    Vec skip[V];
    load_group(scratch_.skip, skip);
    for (int64_t pixel = 0; pixel < pixels_; ++pixel) {
      for (int v = 0; v < V; ++v) {
        const int at = v * kLanes;
        Vec merged = kLn2 * load(merge + at);
        if (kSkips) merged = fma(skip[v], load_lanes(x + at, lanes(v)), merged);
        store_lanes(y + at, merged, lanes(v));
      }
      merge += kChannels;
      x += channels_;
      y += channels_;
    }
  }

  const vmamba_selective_scan_desc desc_;
  const vmamba_selective_scan_args args_;
  const int64_t pixels_, channels_, first_channel_;
  const int last_lanes_;
  const int features_, b_at_;  // that the channels share, and where B stands among them
  const Strides strides_;
  const int64_t map_offset_, proj_offset_;  // of the image and block
  const ScratchLayout scratch_;
  const In *x_ = nullptr;          // the image's and block's, for the route
  const In *proj_ = nullptr;       // the shared features of the image's first pixel, for the route
  int count_ = 0;                  // pixels of the tile
  int64_t pixel_[kTilePixels];     // which they are
  const float *row_[kTilePixels];  // their dt, B and C for the route
};

}  // namespace VMAMBA_BUILD
}  // namespace vmamba

#endif  // VMAMBA_KERNELS_CPU_SCAN_BLOCK_H
