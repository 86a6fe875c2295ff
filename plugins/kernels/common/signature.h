// The op's signature, for the adapters: names, dtypes and shapes of the inputs, and the sizes in
// them. Frameworks hand over what they know of a call; a reason comes back as text, never as an
// exception.
#pragma once

#include "vmamba/selective_scan_2d.h"

namespace vmamba {

constexpr int32_t kInputs = 6;
constexpr int32_t kOutputs = 1;
constexpr const char *kInputNames[kInputs] = {"x", "proj", "dt_weight", "dt_bias", "a", "d"};

// An extent that a builder of engines does not know yet: it fits everything.
constexpr int64_t kUnknown = -1;
constexpr int32_t kMaxAxes = 8;

struct Shape {
  int32_t rank = 0;  // of more than kMaxAxes axes the first ones are kept: no input has so many
  int64_t extents[kMaxAxes] = {};
};

// What a framework knows of the inputs. A dtype is a vmamba_dtype, or the ONNX code of a type that
// the op does not take, or 0.
struct Inputs {
  int32_t dtypes[kInputs] = {};
  Shape shapes[kInputs];
};

struct Problem {
  char text[400] = "";
};

Shape make_shape(const int64_t *extents, int64_t rank) noexcept;

// Whether the op takes it.
bool is_dtype(int64_t dtype) noexcept;

// False, with the reason, where a dtype does not go together with that of x.
bool check_dtypes(const int32_t (&dtypes)[kInputs], int64_t out_dtype, Problem *problem) noexcept;

// Fills the sizes of desc; false, with the reason, where two known extents disagree.
bool read_sizes(const Shape (&shapes)[kInputs], vmamba_scan_desc *desc, Problem *problem) noexcept;

// Both of them, and the dtypes of desc. Limits of the sizes are told by vmamba_scan_validate.
bool describe_call(const Inputs &inputs, int64_t out_dtype, vmamba_scan_desc *desc,
                   Problem *problem) noexcept;

// The pointers in the order of the inputs.
vmamba_scan_args make_args(const void *const (&inputs)[kInputs], void *y) noexcept;

}  // namespace vmamba
