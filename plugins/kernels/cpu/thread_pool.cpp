#include "cpu/thread_pool.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif

namespace vmamba {
namespace {

constexpr int32_t kMostThreads = 256;

struct Job {
  vmamba_task task;
  void *arg;
  int64_t count;
  std::atomic<int64_t> next{0};

  void work() {
    for (int64_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) task(arg, i);
  }
};

// Signals belong to the host program's threads: those that this object's thread would hand down to
// its children are blocked while it lives.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &saved_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &saved_, nullptr); }

 private:
  sigset_t saved_;
};

class ThreadPool {
 public:
  ThreadPool() : owner_(getpid()) { workers_.reserve(kMostThreads); }

  ~ThreadPool() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread &worker : workers_) worker.join();
  }

  pid_t owner() const { return owner_; }

  // False when another caller has the threads.
  bool try_run(int32_t threads, Job &job) {
    if (busy_.test_and_set(std::memory_order_acquire)) return false;
    grow(threads - 1);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      job_ = &job;
      places_ = threads - 1;
    }
    wake_.notify_all();
    job.work();
    {
      std::unique_lock<std::mutex> lock(mutex_);
      job_ = nullptr;  // who has not woken by now need not start
      done_.wait(lock, [this] { return active_ == 0; });
    }
    busy_.clear(std::memory_order_release);
    return true;
  }

 private:
  void grow(int32_t workers) {
    const SignalsBlocked blocked;
    while (static_cast<int32_t>(workers_.size()) < workers) {
      try {
        workers_.emplace_back([this] { serve(); });
      } catch (const std::system_error &) {
        return;  // the threads that there are do the work
      }
    }
  }

  void serve() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return stopping_ || (job_ != nullptr && places_ > 0); });
      if (stopping_) return;
      Job *job = job_;
      --places_;
      ++active_;
      lock.unlock();
      job->work();
      lock.lock();
      if (--active_ == 0) done_.notify_one();
    }
  }

  const pid_t owner_;
  std::atomic_flag busy_ = ATOMIC_FLAG_INIT;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::vector<std::thread> workers_;
  Job *job_ = nullptr;
  int32_t places_ = 0;  // how many more workers may join the job
  int32_t active_ = 0;  // how many are in it
  bool stopping_ = false;
};

std::atomic<ThreadPool *> shared_pool{nullptr};

// Joins the threads when the library is unloaded or the process ends.
struct PoolOwner {
  ~PoolOwner() {
    ThreadPool *pool = shared_pool.exchange(nullptr);
    if (pool != nullptr && pool->owner() == getpid()) delete pool;
  }
} pool_owner;

// No lock here: it could be held by a thread that a fork left behind.
ThreadPool &pool_of_this_process() {
  ThreadPool *pool = shared_pool.load();
  while (pool == nullptr || pool->owner() != getpid()) {
    auto fresh = std::make_unique<ThreadPool>();
    // The parent's pool is left as it is in a child: its threads do not exist there.
    if (shared_pool.compare_exchange_strong(pool, fresh.get())) return *fresh.release();
  }
  return *pool;
}

int32_t usable_cores() {
#if defined(__linux__)
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof(cores), &cores) == 0) return CPU_COUNT(&cores);
#endif
  return static_cast<int32_t>(std::thread::hardware_concurrency());
}

int32_t read_default_threads() {
  const char *text = std::getenv("VMAMBA_NUM_THREADS");
  const long asked = text == nullptr ? 0 : std::strtol(text, nullptr, 10);
  const long threads = asked > 0 ? asked : usable_cores();
  return static_cast<int32_t>(std::clamp<long>(threads, 1, kMostThreads));
}

}  // namespace

int32_t default_threads() {
  static const int32_t threads = read_default_threads();
  return threads;
}

void run_on_own_threads(int32_t threads, int64_t count, vmamba_task task, void *arg) {
  const int64_t useful = std::min<int64_t>(std::min(threads, kMostThreads), count);
  Job job{task, arg, count};
  if (useful > 1 && pool_of_this_process().try_run(static_cast<int32_t>(useful), job)) return;
  job.work();
}

}  // namespace vmamba
