// Small kernels whose loops, branches and resources the tests know.
#include <cstdint>

__global__ void nested(float *values, int rows, int columns, float factor) {
  float sum = values[threadIdx.x];
#pragma unroll 1
  for (int row = 0; row < rows; ++row) {
#pragma unroll 1
    for (int column = 0; column < columns; ++column) {
      sum = fmaf(sum, factor, 1.0f);
      sum = fmaf(sum, factor, 2.0f);
      sum = fmaf(sum, factor, 3.0f);
    }
    float power;
    asm volatile("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(sum));
    sum = power;
  }
  values[threadIdx.x] = sum;
}

__device__ inline float rare_root(float value) {
  float root = value;
#pragma unroll
  for (int i = 0; i < 24; ++i) {
    asm volatile("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(root) : "f"(root + value));
  }
  return root;
}

__global__ void branches(float *values, const int *choices, int count) {
  float sum = 0.0f;
#pragma unroll 1
  for (int i = 0; i < count; ++i) {
    if (choices[i] == 7) sum += rare_root(values[i]);
    values[i] = sum;
  }
}

__global__ void table(float *values, const int *choices, int count) {
  float sum = 0.0f;
#pragma unroll 1
  for (int i = 0; i < count; ++i) {
    switch (choices[i]) {
      case 0:
        values[i] = __fdividef(sum, 3.0f + i);
        break;
      case 1:
        values[2 * i] = sum;
        values[2 * i + 1] = sum;
        break;
      case 2:
        sum = values[i] * sum;
        values[i + 5] = 1.0f;
        break;
      case 3:
        values[3 * i] = sum + 1.0f;
        __syncthreads();
        break;
      case 4:
        sum += __expf(values[i + 9]);
        values[i + 4] = sum;
        break;
      case 5:
        sum = values[7 * i + 2];
        __threadfence();
        break;
      default:
        sum -= values[i];
    }
  }
  values[threadIdx.x] = sum;
}

__global__ void shared_and_stack(float *values, int index) {
  __shared__ float staged[256];
  float many[40];
  for (int i = 0; i < 40; ++i) many[i] = values[i * 3 + threadIdx.x];
  for (int i = 0; i < index; ++i) many[static_cast<int>(many[i]) % 40] += many[(i * 7) % 40];
  staged[threadIdx.x % 256] = many[index + 1];
  __syncthreads();
  values[threadIdx.x] = staged[255 - threadIdx.x % 256] + many[index + 2];
}
