// Runs calls of the ops on the CPU, for machines on which there is nothing but this program.
// usage: call_program (OP CALL_FILE Y_FILE)...; prints what the CPU kernels run.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "common/roi_align_op.h"
#include "common/scan_op.h"
#include "support/call_file.h"

namespace {

using namespace vmamba::tests;

constexpr vmamba_executor kTwoThreads{nullptr, 2, nullptr};

void require_ok(vmamba_status status) { require(status == VMAMBA_OK, vmamba_last_error()); }

template <typename Op>
vmamba::CallFacts<Op> facts_of(const Call &call) {
  vmamba::CallFacts<Op> facts;
  for (int i = 0; i < Op::kInputs; ++i) {
    const CallTensor &input = call.inputs[i];
    facts.dtypes[i] = input.dtype;
    facts.shapes[i] =
        vmamba::make_shape(input.extents.data(), static_cast<int64_t>(input.extents.size()));
  }
  for (int i = 0; i < Op::kAttributes; ++i) {
    const std::vector<int64_t> &values = call.attributes[i];
    facts.attributes[i] =
        vmamba::make_attribute(values.data(), static_cast<int64_t>(values.size()));
  }
  return facts;
}

template <typename Op>
void run(const char *call_path, const char *y_path) {
  const Call call = read_call(call_path, Op::kAttributes, Op::kInputs);
  const vmamba::CallFacts<Op> facts = facts_of<Op>(call);
  typename Op::Desc desc{};
  vmamba::Problem problem;
  require(vmamba::describe_call(facts, &desc, &problem), problem.text);
  const vmamba::Shape shape = vmamba::output_shape(facts);
  CallTensor y = make_output(call.out_dtype(), {shape.extents, shape.extents + shape.rank});
  const void *inputs[Op::kInputs];
  for (int i = 0; i < Op::kInputs; ++i) inputs[i] = call.inputs[i].bytes.data();
  require_ok(Op::run_cpu(desc, Op::make_args(inputs, y.bytes.data()), kTwoThreads));
  write_bytes(y_path, y.bytes);
}

constexpr struct {
  const char *name;
  void (*run)(const char *, const char *);
} kOps[] = {{vmamba::ScanOp::kName, run<vmamba::ScanOp>},
            {vmamba::SelectiveScanOp::kName, run<vmamba::SelectiveScanOp>},
            {vmamba::RoiAlignOp::kName, run<vmamba::RoiAlignOp>}};

void run_op(const char *name, const char *call_path, const char *y_path) {
  for (const auto &op : kOps) {
    if (std::strcmp(op.name, name) == 0) return op.run(call_path, y_path);
  }
  require(false, "finding the op");
}

}  // namespace

int main(int count, char **arguments) {
  require(count % 3 == 1, "usage: call_program (OP CALL_FILE Y_FILE)...");
  for (int i = 1; i < count; i += 3) run_op(arguments[i], arguments[i + 1], arguments[i + 2]);
  std::puts(vmamba_cpu_isa());
  return 0;
}
