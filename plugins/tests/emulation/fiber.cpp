#include "fiber.h"

#include <sys/mman.h>

#include <cstdint>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(__x86_64__)
// Leaves the callee-saved registers on the stack that it leaves and takes them from the other. A
// hundred times as fast as swapcontext, which asks the kernel for the signal mask.
extern "C" void vmamba_switch_stacks(void **save_stack_pointer, void *load_stack_pointer);
asm(R"(
.text
.globl vmamba_switch_stacks
.hidden vmamba_switch_stacks
.type vmamba_switch_stacks, @function
vmamba_switch_stacks:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size vmamba_switch_stacks, .-vmamba_switch_stacks
)");
#endif

namespace vmamba::emulation {
namespace {

constexpr size_t kStackBytes = 256 * 1024;  // of address space; pages come when touched
constexpr size_t kGuardBytes = 4096;

thread_local Fiber *entered = nullptr;

// A stack that runs over hits a page that cannot be written.
char *map_stack() {
  void *const memory = mmap(nullptr, kGuardBytes + kStackBytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory, kGuardBytes, PROT_NONE) != 0) throw std::bad_alloc();
  return static_cast<char *>(memory) + kGuardBytes;
}

#if defined(__x86_64__)
void switch_contexts(SavedContext *save, const SavedContext &load) {
  vmamba_switch_stacks(&save->stack_pointer, load.stack_pointer);
}

void prepare(SavedContext *context, char *stack, void (*entry)()) {
  constexpr int kSavedRegisters = 6;
  auto *const top = reinterpret_cast<uintptr_t *>(stack + kStackBytes);
  // What the switch pops, then its return address; below it the stack is aligned as after a call.
  uintptr_t *const frame = top - 2 - kSavedRegisters;
  for (int i = 0; i < kSavedRegisters; ++i) frame[i] = 0;
  frame[kSavedRegisters] = reinterpret_cast<uintptr_t>(entry);
  frame[kSavedRegisters + 1] = 0;
  context->stack_pointer = frame;
}
#else
void switch_contexts(SavedContext *save, const SavedContext &load) {
  swapcontext(&save->registers, &load.registers);
}

void prepare(SavedContext *context, char *stack, void (*entry)()) {
  getcontext(&context->registers);
  context->registers.uc_stack.ss_sp = stack;
  context->registers.uc_stack.ss_size = kStackBytes;
  context->registers.uc_link = nullptr;
  makecontext(&context->registers, entry, 0);
}
#endif

#if defined(__SANITIZE_ADDRESS__)
void announce(void **save_shadow, const void *stack, size_t bytes) {
  __sanitizer_start_switch_fiber(save_shadow, stack, bytes);
}
void arrived(void *shadow, const void **left_stack, size_t *left_bytes) {
  __sanitizer_finish_switch_fiber(shadow, left_stack, left_bytes);
}
void forget_frames(char *stack) { __asan_unpoison_memory_region(stack, kStackBytes); }
#else
void announce(void **, const void *, size_t) {}
void arrived(void *, const void **, size_t *) {}
void forget_frames(char *) {}
#endif

}  // namespace

Fiber::Fiber() : stack_(map_stack()) {}

Fiber::~Fiber() {
  forget_frames(stack_);
  munmap(stack_ - kGuardBytes, kGuardBytes + kStackBytes);
}

void Fiber::reset(void (*body)(void *), void *argument) {
  if (!finished_) forget_frames(stack_);
  body_ = body;
  argument_ = argument;
  finished_ = false;
  own_shadow_ = nullptr;
  prepare(&own_, stack_, &Fiber::enter);
}

void Fiber::resume() {
  entered = this;
  announce(&caller_shadow_, stack_, kStackBytes);
  switch_contexts(&caller_, own_);
  arrived(caller_shadow_, nullptr, nullptr);
}

void Fiber::yield() { leave(false); }

void Fiber::leave(bool for_good) {
  announce(for_good ? nullptr : &own_shadow_, caller_stack_, caller_bytes_);
  switch_contexts(&own_, caller_);
  arrived(own_shadow_, &caller_stack_, &caller_bytes_);
}

void Fiber::enter() {
  Fiber *const fiber = entered;
  arrived(nullptr, &fiber->caller_stack_, &fiber->caller_bytes_);
  fiber->body_(fiber->argument_);
  fiber->finished_ = true;
  fiber->leave(true);
}

}  // namespace vmamba::emulation
