// Threads that take turns on one thread of the host: each with a stack of its own.
#ifndef VMAMBA_TESTS_EMULATION_FIBER_H
#define VMAMBA_TESTS_EMULATION_FIBER_H

#include <cstddef>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace vmamba::emulation {

// Where a stack was left. On x86-64 the registers lie on the stack itself.
struct SavedContext {
#if defined(__x86_64__)
  void *stack_pointer = nullptr;
#else
  ucontext_t registers;
#endif
};

class Fiber {
 public:
  Fiber();
  ~Fiber();
  Fiber(const Fiber &) = delete;
  Fiber &operator=(const Fiber &) = delete;

  // Sets the fiber to the start of body(argument), wherever it was left before.
  void reset(void (*body)(void *), void *argument);

  // Runs the fiber until it yields or its body returns. Not from within a fiber.
  void resume();

  // Back to resume(). From within the fiber.
  void yield();

  bool finished() const { return finished_; }

 private:
  static void enter();
  void leave(bool for_good);

  char *const stack_;
  void (*body_)(void *) = nullptr;
  void *argument_ = nullptr;
  bool finished_ = true;
  SavedContext own_, caller_;
  // What AddressSanitizer must hear of when the stack changes.
  void *own_shadow_ = nullptr, *caller_shadow_ = nullptr;
  const void *caller_stack_ = nullptr;
  size_t caller_bytes_ = 0;
};

}  // namespace vmamba::emulation

#endif  // VMAMBA_TESTS_EMULATION_FIBER_H
