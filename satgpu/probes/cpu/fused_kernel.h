// One minibatch of one probe: forward, backward and Adam. Compiled once for each instruction set.
//
// Included by fused.cpp with NAMESPACE (of the instruction set), LANES (floats in a vector), FORWARD_ROWS and GRADIENT_ROWS
// (rows of a register block: accumulators, two vectors of the other factor and a broadcast fill the registers).
//
// Every matrix (rows, columns) is stored in panels of PANEL = 2·LANES columns: panel 0 with all its rows, then panel 1, ...,
// the last one padded with zeros. A weight matrix (n_in, n_out) has one row more, the biases. So all three products of a
// layer are one outer-product kernel over contiguous memory, and a block of a gradient meets its weights and moments in the
// same order. A layer with one output is stored as a row, (1, n_in) and a panel for its bias: vectors run along its inputs.

namespace NAMESPACE {

constexpr int PANEL = 2 * LANES;
typedef float V __attribute__((vector_size(LANES * 4), may_alias));
typedef int32_t I __attribute__((vector_size(LANES * 4), may_alias));

INLINE V load(const float* p) { return *(const V*)p; }
INLINE void store(float* p, V x) { *(V*)p = x; }
INLINE V broadcast(float x) { return x - V{}; }

INLINE V square_root(V x) {
#if LANES == 16
  return (V)_mm512_maskz_sqrt_ps(0xffff, (__m512)x);
#elif LANES == 8
  return (V)_mm256_sqrt_ps((__m256)x);
#elif defined(__SSE2__)
  return (V)_mm_sqrt_ps((__m128)x);
#elif defined(__aarch64__)
  return (V)vsqrtq_f32((float32x4_t)x);
#else
  for (int i = 0; i < LANES; i++) x[i] = __builtin_sqrtf(x[i]);
  return x;
#endif
}

// e^x to 1 ulp: x = n·ln 2 + r, a polynomial in r, 2^n through the exponent bits (Cephes, S. Moshier). NaN stays NaN.
INLINE V exponential(V x) {
  x = x < -87.3f ? broadcast(-87.3f) : x;
  x = x > 88.3f ? broadcast(88.3f) : x;
  const V magic = broadcast(12582912.0f);  // 1.5·2^23: adding it rounds to a whole number
  V n = x * 1.44269504088896341f + magic - magic;
  V r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  V p = broadcast(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  return p * (V)((__builtin_convertvector(n, I) + 127) << 23);
}

INLINE V logistic(V x) { return 1.0f / (1.0f + exponential(-x)); }

// Near zero a polynomial, since 1 - 2/(e^2x + 1) would lose digits there (Cephes).
INLINE V hyperbolic_tangent(V x) {
  V far = 1.0f - 2.0f / (exponential(2.0f * x) + 1.0f), s = x * x;
  V p = broadcast(-5.70498872745e-3f);
  p = p * s + 2.06390887954e-2f;
  p = p * s + -5.37397155531e-2f;
  p = p * s + 1.33314422036e-1f;
  p = p * s + -3.33332819422e-1f;
  V near = x + x * s * p;
  return s < 0.390625f ? near : far;
}

typedef float Four __attribute__((vector_size(16), may_alias, aligned(4)));
typedef int32_t FourI __attribute__((vector_size(16)));

INLINE float total(V x) {
  alignas(64) float all[LANES];
  store(all, x);
  Four sum = *(const Four*)all;
  for (int i = 4; i < LANES; i += 4) sum += *(const Four*)(all + i);
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

INLINE int panels(int columns) { return (columns + PANEL - 1) / PANEL; }
INLINE int64_t panel_floats(int rows, int columns) { return (int64_t)panels(columns) * rows * PANEL; }
INLINE int smaller(int a, int b) { return a < b ? a : b; }

// c[i, :] = Σ_k a(i, k)·b[k, :] for ROWS rows and one panel of columns, of which the first VECTORS vectors are wanted.
// Forward, a is a block of rows of a panelled matrix and k runs along its columns, `next_panel` floats from one panel to
// the next. For a gradient (ACROSS) a is some columns within one panel and k runs down its rows.
template <int ROWS, int VECTORS, bool ACROSS>
static void block(const float* a, int64_t next_panel, const float* b, int n_k, float* c) {
  constexpr int step_i = ACROSS ? 1 : PANEL, step_k = ACROSS ? PANEL : 1;
  V sum[ROWS][VECTORS];
  for (int i = 0; i < ROWS; i++)
    for (int v = 0; v < VECTORS; v++) sum[i][v] = V{};
  for (int k0 = 0; k0 < n_k; k0 += PANEL, a += next_panel) {
    const int n = smaller(PANEL, n_k - k0);
    for (int k = 0; k < n; k++, b += PANEL) {
      V right[VECTORS];
      for (int v = 0; v < VECTORS; v++) right[v] = load(b + v * LANES);
#pragma GCC unroll 16
      for (int i = 0; i < ROWS; i++)
#pragma GCC unroll 2
        for (int v = 0; v < VECTORS; v++) sum[i][v] += a[i * step_i + k * step_k] * right[v];
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < ROWS; i++)
#pragma GCC unroll 2
    for (int v = 0; v < 2; v++) store(c + i * PANEL + v * LANES, v < VECTORS ? sum[i][v % VECTORS] : V{});
}

typedef void (*Block)(const float*, int64_t, const float*, int, float*);

template <bool ACROSS, int... I>
static Block choose_block(int rows, int vectors, std::integer_sequence<int, I...>) {
  static const Block table[2][sizeof...(I)] = {{block<I + 1, 1, ACROSS>...}, {block<I + 1, 2, ACROSS>...}};
  return table[vectors - 1][rows - 1];
}
INLINE Block rows_block(int rows, int vectors) {
  return choose_block<false>(rows, vectors, std::make_integer_sequence<int, FORWARD_ROWS>());
}
INLINE Block gradient_block(int rows, int vectors) {
  return choose_block<true>(rows, vectors, std::make_integer_sequence<int, GRADIENT_ROWS>());
}
INLINE int vectors_of(int panel, int columns) { return columns - panel * PANEL > LANES ? 2 : 1; }

// c (rows, n_columns) = a (rows, n_k) · b, whose panels are `b_rows` rows high; `finish(row, panel, n, c)` ends each block.
template <class Finish>
static void product(const float* a, int rows, int n_k, const float* b, int b_rows, int n_columns, float* c, Finish finish) {
  const int blocks = (rows + FORWARD_ROWS - 1) / FORWARD_ROWS;
  for (int p = 0; p < panels(n_columns); p++, c += (int64_t)rows * PANEL, b += (int64_t)b_rows * PANEL)
    for (int t = 0; t < blocks; t++) {
      const int from = t * rows / blocks, n = (t + 1) * rows / blocks - from;
      float* out = c + (int64_t)from * PANEL;
      rows_block(n, vectors_of(p, n_columns))(a + (int64_t)from * PANEL, (int64_t)rows * PANEL, b, n_k, out);
      finish(from, p, n, out);
    }
}

static void activate(int activation, const float* bias, int rows, float* c) {
  for (int i = 0; i < rows; i++)
    for (int v = 0; v < PANEL; v += LANES) {
      V z = load(c + i * PANEL + v) + load(bias + v);
      if (activation == RELU) z = z < 0.0f ? V{} : z;
      else if (activation == TANH) z = hyperbolic_tangent(z);
      else if (activation == LOGISTIC) z = logistic(z);
      store(c + i * PANEL + v, z);
    }
}

// Δ ∘ f'(z), written with a = f(z).
static void through_activation(int activation, const float* a, int rows, float* delta) {
  if (activation == IDENTITY) return;
  for (int i = 0; i < rows * PANEL; i += LANES) {
    const V y = load(a + i), d = load(delta + i);
    if (activation == RELU) store(delta + i, y > 0.0f ? d : V{});
    else store(delta + i, activation == TANH ? d * (1.0f - y * y) : d * y * (1.0f - y));
  }
}

struct Adam {
  float rate, beta_1, beta_2, epsilon, decay;  // decay = alpha / rows, 0 for biases
};

INLINE void adam(float* w, float* m, float* v, const float* gradient, int n, const Adam& o, V& squares) {
  const float keep_1 = 1 - o.beta_1, keep_2 = 1 - o.beta_2;
  for (int i = 0; i < n; i += LANES) {
    const V before = load(w + i), g = load(gradient + i) + o.decay * before;
    const V first = load(m + i) + keep_1 * (g - load(m + i)), second = o.beta_2 * load(v + i) + keep_2 * (g * g);
    store(m + i, first);
    store(v + i, second);
    store(w + i, before - o.rate * first / (square_root(second) + o.epsilon));
    squares += before * before;
  }
}

// Sum of the rows of one panel, each times its weight if there are weights.
static void weighted_rows(const float* a, int rows, const float* weights, float* sum) {
  V sums[4][2] = {};
  for (int r = 0; r < rows; r++)
    for (int j = 0; j < 2; j++) {
      const V x = load(a + r * PANEL + j * LANES);
      sums[r % 4][j] += weights ? weights[r] * x : x;
    }
  for (int j = 0; j < 2; j++) store(sum + j * LANES, (sums[0][j] + sums[1][j]) + (sums[2][j] + sums[3][j]));
}

// Gradients of a layer, and its weights and moments updated block by block while they are in the first-level cache.
static void update_layer(const float* a, const float* delta, int rows, int n_in, int n_out, float* w, float* m, float* v,
                         Adam o, V& squares) {
  alignas(64) float gradient[GRADIENT_ROWS * PANEL];
  const int64_t height = (int64_t)(n_in + 1) * PANEL;
  for (int q = 0; q < panels(n_in); q++, a += (int64_t)rows * PANEL) {
    const int wide = smaller(PANEL, n_in - q * PANEL), blocks = (wide + GRADIENT_ROWS - 1) / GRADIENT_ROWS;
    for (int t = 0; t < blocks; t++) {
      const int from = t * wide / blocks, n = (t + 1) * wide / blocks - from;
      for (int p = 0; p < panels(n_out); p++) {
        const int64_t at = p * height + (int64_t)(q * PANEL + from) * PANEL;
        gradient_block(n, vectors_of(p, n_out))(a + from, PANEL * PANEL, delta + (int64_t)p * rows * PANEL, rows, gradient);
        adam(w + at, m + at, v + at, gradient, n * PANEL, o, squares);
      }
    }
  }
  o.decay = 0;
  V none = V{};
  for (int p = 0; p < panels(n_out); p++, delta += (int64_t)rows * PANEL) {
    weighted_rows(delta, rows, nullptr, gradient);
    const int64_t at = p * height + (int64_t)n_in * PANEL;
    adam(w + at, m + at, v + at, gradient, PANEL, o, none);
  }
}

// A layer with one output: z (rows), one number after the other.
static void single_forward(const float* a, int rows, int n_in, const float* w, float* z) {
  const float bias = w[panels(n_in) * PANEL];
  for (int r = 0; r < rows; r++) {
    V sum = {}, other = {};
    for (int q = 0; q < panels(n_in); q++) {
      const float* x = a + ((int64_t)q * rows + r) * PANEL;
      sum += load(x) * load(w + q * PANEL);
      other += load(x + LANES) * load(w + q * PANEL + LANES);
    }
    z[r] = total(sum + other) + bias;
  }
}

// Δ·wᵀ for the layer below, (rows, n_in), from its deltas (rows).
static void single_input_gradient(const float* delta, int rows, int n_in, const float* w, float* c) {
  for (int q = 0; q < panels(n_in); q++)
    for (int r = 0; r < rows; r++, c += PANEL)
      for (int v = 0; v < PANEL; v += LANES) store(c + v, delta[r] * load(w + q * PANEL + v));
}

static void single_update(const float* a, const float* delta, int rows, int n_in, float* w, float* m, float* v, Adam o,
                          V& squares) {
  alignas(64) float gradient[PANEL];
  for (int q = 0; q < panels(n_in); q++, w += PANEL, m += PANEL, v += PANEL) {
    weighted_rows(a + (int64_t)q * rows * PANEL, rows, delta, gradient);
    for (int k = n_in - q * PANEL; k < PANEL; k++) gradient[k] = 0;  // a logistic unit of the padding is not 0 but f(0)
    adam(w, m, v, gradient, PANEL, o, squares);
  }
  float sum = 0;
  for (int r = 0; r < rows; r++) sum += delta[r];
  for (int i = 0; i < PANEL; i++) gradient[i] = i ? 0 : sum;
  o.decay = 0;
  V none = V{};
  adam(w, m, v, gradient, PANEL, o, none);
}

#if defined(__clang__)
#define SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define SHUFFLE(a, b, i, j, k, l) __builtin_shuffle(a, b, FourI{i, j, k, l})
#endif

// Panels of w (n_in, n_out), its biases left out, to panels of its transpose (n_out, n_in).
static void transpose(const float* w, int n_in, int n_out, float* out) {
  for (int q = 0; q < panels(n_in); q++)
    for (int p = 0; p < panels(n_out); p++) {
      const float* from = w + (int64_t)p * (n_in + 1) * PANEL + (int64_t)q * PANEL * PANEL;
      float* to = out + (int64_t)q * n_out * PANEL + (int64_t)p * PANEL * PANEL;
      const int n = smaller(PANEL, n_in - q * PANEL), wide = smaller(PANEL, n_out - p * PANEL);
      if (n < PANEL || wide % 4) {
        for (int j = 0; j < wide; j++)
          for (int i = 0; i < PANEL; i++) to[j * PANEL + i] = i < n ? from[i * PANEL + j] : 0.0f;
        continue;
      }
      for (int j = 0; j < wide; j += 4)
        for (int i = 0; i < PANEL; i += 4) {
          Four r[4];
          for (int k = 0; k < 4; k++) r[k] = *(const Four*)(from + (i + k) * PANEL + j);
          const Four a = SHUFFLE(r[0], r[1], 0, 4, 1, 5), b = SHUFFLE(r[2], r[3], 0, 4, 1, 5);
          const Four c = SHUFFLE(r[0], r[1], 2, 6, 3, 7), d = SHUFFLE(r[2], r[3], 2, 6, 3, 7);
          *(Four*)(to + j * PANEL + i) = SHUFFLE(a, b, 0, 1, 4, 5);
          *(Four*)(to + (j + 1) * PANEL + i) = SHUFFLE(a, b, 2, 3, 6, 7);
          *(Four*)(to + (j + 2) * PANEL + i) = SHUFFLE(c, d, 0, 1, 4, 5);
          *(Four*)(to + (j + 3) * PANEL + i) = SHUFFLE(c, d, 2, 3, 6, 7);
        }
    }
}

}  // namespace NAMESPACE
