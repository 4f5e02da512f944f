// Lets the thread sanitizer see Swift's `Mutex` on Linux (scripts/sanitize thread).
//
// Its fast paths are compiled into our code and seen. Where threads wait for each other, libswiftSynchronization, which is
// not instrumented, hands the lock over in the kernel, and every access behind it would be told as a race. These stand
// before the library's functions, call them, and say what they have done. `self` is the address of the lock's word, on
// which the fast paths are atomic too.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

extern void __tsan_acquire(void *);
extern void __tsan_release(void *);

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context)) void *self

#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

static void *next(const char *name) {
  void *function = dlsym(RTLD_NEXT, name);
  if (!function) abort();
  return function;
}

SWIFT void lockSlow(uint32_t thread, SELF) __asm__(LOCK);
SWIFT void lockSlow(uint32_t thread, SELF) {
  ((SWIFT void (*)(uint32_t, SELF))next(LOCK))(thread, self);
  __tsan_acquire(self);
}

SWIFT void unlockSlow(SELF) __asm__(UNLOCK);
SWIFT void unlockSlow(SELF) {
  __tsan_release(self);
  ((SWIFT void (*)(SELF))next(UNLOCK))(self);
}
