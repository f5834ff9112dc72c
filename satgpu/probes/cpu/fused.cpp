// Training of one probe on one core: an epoch of minibatches in one call. Plain C functions, called through ctypes (fused.py).
//
// One file for every processor: the kernel is compiled for each instruction set that this compiler knows, and the widest one
// that the processor has is taken when the library is asked. Nothing else about the processor is assumed.

#if !defined(__GNUC__)
#error "needs the vector types of GCC or Clang"
#endif

#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define INLINE static inline __attribute__((always_inline))

enum { IDENTITY, LOGISTIC, RELU, TANH };           // as in options.ACTIVATIONS
enum { CLASSIFICATION, REGRESSION };               // as in groups.TASKS
constexpr int MAX_LAYERS = 32;

struct Probe {  // mirrored in fused.py
  const int32_t* units;  // inputs, hidden layers, outputs
  float *w, *m, *v;      // parameters and moments in panels
  int32_t n_layers, activation, task;
  float alpha, beta_1, beta_2, epsilon;
};

struct Functions {
  const char* name;
  int panel;
  int64_t (*packed_floats)(const Probe&);
  int64_t (*workspace_floats)(const Probe&, int);
  void (*epoch)(const Probe&, const float*, int64_t, int, const float*, const int64_t*, const float*, float*, double*);
  void (*outputs)(const Probe&, const float*, int64_t, int, float*, float*);
  void (*pack_rows)(const float*, int64_t, const int64_t*, int64_t, int, float*);
  void (*pack)(const Probe&, float**, float**, bool);
  double (*peak)(double);
};

#define BOTH(text) _Pragma(#text)
#if defined(__clang__)
#define TARGET_BEGIN(isa) BOTH(clang attribute push(__attribute__((target(isa))), apply_to = function))
#define TARGET_END BOTH(clang attribute pop)
#else
#define TARGET_BEGIN(isa) BOTH(GCC push_options) BOTH(GCC target(isa))
#define TARGET_END BOTH(GCC pop_options)
#endif

#if defined(__x86_64__)
#define KEEP(x) asm volatile("" : "+v"(x))
TARGET_BEGIN("avx512f,avx512vl,avx512dq,fma")
#define NAMESPACE avx512
#define NAME "avx512"
#define LANES 16
#define FORWARD_ROWS 10
#define GRADIENT_ROWS 8
#define PEAK_CHAINS 16
#include "fused_kernel.h"
#include "fused_epoch.h"
TARGET_END
#undef KEEP

#define KEEP(x) asm volatile("" : "+x"(x))
TARGET_BEGIN("avx2,fma")
#define NAMESPACE avx2
#define NAME "avx2"
#define LANES 8
#define FORWARD_ROWS 6
#define GRADIENT_ROWS 6
#define PEAK_CHAINS 12
#include "fused_kernel.h"
#include "fused_epoch.h"
TARGET_END
#define PLAIN_ROWS 6
#else
#define KEEP(x) asm volatile("" : "+w"(x))
#define PLAIN_ROWS 8
#endif

#define NAMESPACE plain
#if defined(__aarch64__)
#define NAME "neon"
#else
#define NAME "plain"
#endif
#define LANES 4
#define FORWARD_ROWS PLAIN_ROWS
#define GRADIENT_ROWS PLAIN_ROWS
#define PEAK_CHAINS 12
#include "fused_kernel.h"
#include "fused_epoch.h"

namespace {

// While it lives, numbers too small for the normal format are zero in this thread: they would slow everything down.
class NoDenormals {
#if defined(__x86_64__)
  unsigned before = _mm_getcsr();
 public:
  NoDenormals() { _mm_setcsr(before | 0x8040); }
  ~NoDenormals() { _mm_setcsr(before); }
#elif defined(__aarch64__)
  uint64_t before;
 public:
  NoDenormals() {
    asm volatile("mrs %0, fpcr" : "=r"(before));
    asm volatile("msr fpcr, %0" : : "r"(before | (1u << 24)));
  }
  ~NoDenormals() { asm volatile("msr fpcr, %0" : : "r"(before)); }
#else
 public:
  NoDenormals() {}
#endif
};

// The instruction sets of this processor, the widest first; one beyond the last is null.
const Functions* available(int i) {
  const Functions* found[4] = {};
  int n = 0;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
    found[n++] = &avx512::functions;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) found[n++] = &avx2::functions;
#endif
  found[n++] = &plain::functions;
  return i < n ? found[i] : nullptr;
}

}  // namespace

#define API extern "C" __attribute__((visibility("default")))

API const Functions* fused_functions(int i) { return available(i); }
API const char* fused_name(const Functions* f) { return f->name; }
API int fused_panel(const Functions* f) { return f->panel; }
API int fused_max_layers() { return MAX_LAYERS; }
API double fused_peak(const Functions* f, double seconds) { return f->peak(seconds); }
API int64_t fused_packed_floats(const Functions* f, const Probe* o) { return f->packed_floats(*o); }
API int64_t fused_workspace_floats(const Functions* f, const Probe* o, int rows) { return f->workspace_floats(*o, rows); }
API void fused_pack(const Functions* f, const Probe* o, float** weights, float** biases, int back) {
  f->pack(*o, weights, biases, back);
}
API void fused_pack_rows(const Functions* f, const float* x, int64_t n_columns, const int64_t* order, int64_t n_rows, int batch,
                         float* out) {
  f->pack_rows(x, n_columns, order, n_rows, batch, out);
}
API void fused_epoch(const Functions* f, const Probe* o, const float* x, int64_t n_rows, int batch, const float* labels,
                     const int64_t* order, const float* rates, float* scratch, double* losses) {
  NoDenormals guard;
  f->epoch(*o, x, n_rows, batch, labels, order, rates, scratch, losses);
}
API void fused_outputs(const Functions* f, const Probe* o, const float* x, int64_t n_rows, int batch, float* scratch, float* out) {
  NoDenormals guard;
  f->outputs(*o, x, n_rows, batch, scratch, out);
}
// Rows whose class is right: the first of the highest outputs, or of two classes the one that the sign tells.
API int64_t fused_right_classes(const float* out, int n_outputs, int64_t n_rows, const float* labels) {
  int64_t right = 0;
  for (int64_t r = 0; r < n_rows; r++, out += n_outputs) {
    int best = n_outputs == 1 ? out[0] > 0 : 0;
    for (int c = 1; c < n_outputs; c++) best = out[best] < out[c] ? c : best;
    right += best == (int)labels[r];
  }
  return right;
}
