// What fused.cpp exports, on top of fused_kernel.h: a minibatch, an epoch, the outputs; compiled once for each instruction set.

namespace NAMESPACE {

// Sums of logarithms by way of products: one logarithm for many factors, each at least 1e-7 and at most 1.
struct LogSum {
  double sum = 0, factors = 1;
  int n = 0;
  void add(float p) {
    factors *= p;
    if (++n == 32) { sum += std::log(factors); factors = 1; n = 0; }
  }
  double value() const { return sum + std::log(factors); }
};

INLINE float clipped(float p) {  // to [eps, 1 - eps], as scikit-learn does; NaN stays NaN
  return p < 1.1920929e-7f ? 1.1920929e-7f : p > 1 - 1.1920929e-7f ? 1 - 1.1920929e-7f : p;
}

// Δ = (f(z) - y) / rows in the place of z (rows), and the sum of the rows' losses; y[r] is labels[order[r]].
static double single_output_delta(int task, float* z, int rows, const float* labels, const int64_t* order) {
  const float share = 1.0f / rows;
  LogSum logs;
  double squares = 0;
  if (task != REGRESSION)
    for (int r = 0; r < rows; r += LANES) store(z + r, logistic(load(z + r)));
  for (int r = 0; r < rows; r++) {
    const float y = labels[order[r]], p = z[r];
    if (task == REGRESSION) squares += 0.5 * (p - y) * (p - y);
    else logs.add(clipped(y > 0.5f ? p : 1 - p));
    z[r] = (p - y) * share;
  }
  return squares - logs.value();
}

// The same for several classes, z (rows, n_classes).
static double softmax_delta(float* z, int rows, int n_classes, const float* labels, const int64_t* order) {
  LogSum logs;
  for (int r = 0; r < rows; r++) {
    auto at = [&](int c) -> float& { return z[((int64_t)(c / PANEL) * rows + r) * PANEL + c % PANEL]; };
    float highest = at(0), sum = 0;
    for (int c = 1; c < n_classes; c++) highest = highest < at(c) ? at(c) : highest;
    for (int c = 0; c < n_classes; c += LANES) {
      store(&at(c), exponential(load(&at(c)) - highest));
      for (int i = c; i < c + LANES; i++)
        if (i < n_classes) sum += at(i);
        else at(i) = 0;
    }
    const int truth = (int)labels[order[r]];
    logs.add(clipped(at(truth) / sum));
    for (int c = 0; c < n_classes; c++) at(c) = (at(c) / sum - (c == truth)) / rows;
  }
  return -logs.value();
}

// Whether layer i is the last and has one output.
INLINE bool is_single(const Probe& o, int i) { return i + 1 == o.n_layers && o.units[i + 1] == 1; }

static int64_t layer_floats(const Probe& o, int i) {
  return is_single(o, i) ? panel_floats(1, o.units[i]) + PANEL : panel_floats(o.units[i] + 1, o.units[i + 1]);
}

// Activations and raw output of some rows: out[i] is layer i's, (rows, units[i + 1]); one output alone is contiguous.
static void forward(const Probe& o, const float* x, int rows, float** out) {
  const float* w = o.w;
  for (int i = 0; i < o.n_layers; i++) {
    const int n_in = o.units[i], n_out = o.units[i + 1];
    const int activation = i + 1 < o.n_layers ? o.activation : IDENTITY;
    if (is_single(o, i)) single_forward(x, rows, n_in, w, out[i]);
    else product(x, rows, n_in, w, n_in + 1, n_out, out[i], [&](int, int p, int n, float* c) {
      activate(activation, w + (int64_t)(p * (n_in + 1) + n_in) * PANEL, n, c);
    });
    w += layer_floats(o, i);
    x = out[i];
  }
}

static int64_t packed_floats(const Probe& o) {
  int64_t n = 0;
  for (int i = 0; i < o.n_layers; i++) n += layer_floats(o, i);
  return n;
}

// Where a minibatch's tensors lie in the scratch memory; with `size` alone, how many floats that takes.
struct Workspace {
  float *out[MAX_LAYERS], *delta[MAX_LAYERS], *transposed;
  int64_t size = 0;
  Workspace(const Probe& o, int rows, float* at) {
    auto take = [&](int64_t n) { float* here = at + size; size += n; return here; };
    int64_t widest = 0;
    for (int i = 0; i < o.n_layers; i++) {
      out[i] = take(panel_floats(rows, o.units[i + 1]));
      delta[i] = i + 1 < o.n_layers ? take(panel_floats(rows, o.units[i + 1])) : out[i];
      const int64_t n = i ? panel_floats(o.units[i + 1], o.units[i]) : 0;
      widest = n > widest ? n : widest;
    }
    transposed = take(widest);
  }
};

static int64_t workspace_floats(const Probe& o, int rows) {  // with room for the rows themselves
  return Workspace(o, rows, nullptr).size + panel_floats(rows, o.units[0]);
}

// One minibatch: its summed loss, the squares of the weights before the update added to `squares`.
static double step(const Probe& o, const float* x, int rows, const float* labels, const int64_t* order, float rate,
                   float* scratch, V& squares) {
  Workspace here(o, rows, scratch);
  const int last = o.n_layers - 1;
  const Adam settings = {rate, o.beta_1, o.beta_2, o.epsilon, o.alpha / rows};
  forward(o, x, rows, here.out);
  const int n_outputs = o.units[o.n_layers];
  const double loss = n_outputs == 1 ? single_output_delta(o.task, here.out[last], rows, labels, order)
                                     : softmax_delta(here.out[last], rows, n_outputs, labels, order);
  int64_t at = packed_floats(o);
  for (int i = last; i >= 0; i--) {
    const int n_in = o.units[i], n_out = o.units[i + 1];
    at -= layer_floats(o, i);
    float *w = o.w + at, *m = o.m + at, *v = o.v + at;
    const float *a = i ? here.out[i - 1] : x, *delta = here.delta[i];
    const bool single = is_single(o, i);
    if (i > 0 && single) {
      single_input_gradient(delta, rows, n_in, w, here.delta[i - 1]);
      through_activation(o.activation, a, panels(n_in) * rows, here.delta[i - 1]);
    } else if (i > 0) {
      transpose(w, n_in, n_out, here.transposed);
      product(delta, rows, n_out, here.transposed, n_out, n_in, here.delta[i - 1], [&](int from, int p, int n, float* c) {
        through_activation(o.activation, a + ((int64_t)p * rows + from) * PANEL, n, c);
      });
    }
    if (single) single_update(a, delta, rows, n_in, w, m, v, settings, squares);
    else update_layer(a, delta, rows, n_in, n_out, w, m, v, settings, squares);
  }
  return loss;
}

// All minibatches of an epoch. losses[0] gets the summed loss of all rows, losses[1] the squares of the weights.
static void epoch(const Probe& o, const float* x, int64_t n_rows, int batch, const float* labels, const int64_t* order,
                  const float* rates, float* scratch, double* losses) {
  losses[0] = losses[1] = 0;
  for (int64_t r = 0; r < n_rows; r += batch) {
    const int rows = n_rows - r < batch ? n_rows - r : batch;
    V squares = {};
    losses[0] += step(o, x + r * panels(o.units[0]) * PANEL, rows, labels, order + r, *rates++, scratch, squares);
    losses[1] += total(squares);
  }
}

// Rows x[order[r], :] of a matrix (., n_columns), or x[r, :] without an order, in panelled minibatches one after the other.
static void pack_rows(const float* x, int64_t n_columns, const int64_t* order, int64_t n_rows, int batch, float* out) {
  for (int64_t r = 0; r < n_rows; r += batch) {
    const int rows = n_rows - r < batch ? n_rows - r : batch;
    for (int p = 0; p < panels(n_columns); p++)
      for (int i = 0; i < rows; i++, out += PANEL) {
        const int wide = smaller(PANEL, n_columns - (int64_t)p * PANEL);
        std::memcpy(out, x + (order ? order[r + i] : r + i) * n_columns + (int64_t)p * PANEL, wide * sizeof(float));
        for (int k = wide; k < PANEL; k++) out[k] = 0;
      }
  }
}

// Raw outputs (n_rows, n_outputs) of plain rows x (n_rows, n_inputs), `batch` at a time.
static void outputs(const Probe& o, const float* x, int64_t n_rows, int batch, float* scratch, float* out) {
  const int n_inputs = o.units[0], n_outputs = o.units[o.n_layers];
  for (int64_t r = 0; r < n_rows; r += batch) {
    const int rows = n_rows - r < batch ? n_rows - r : batch;
    Workspace here(o, rows, scratch);
    float* packed = scratch + here.size;
    pack_rows(x + r * n_inputs, n_inputs, nullptr, rows, rows, packed);
    forward(o, packed, rows, here.out);
    const float* z = here.out[o.n_layers - 1];
    for (int i = 0; i < rows; i++)
      for (int c = 0; c < n_outputs; c++)
        *out++ = n_outputs == 1 ? z[i] : z[((int64_t)(c / PANEL) * rows + i) * PANEL + c % PANEL];
  }
}

// All layers' weights (n_out, n_in) and biases (n_out), wherever they lie, into panels, or back out of them.
static void pack(const Probe& o, float** weights, float** biases, bool back) {
  float* at = o.w;
  auto copy = [&](float& plain, float& packed) { back ? plain = packed : packed = plain; };
  for (int i = 0; i < o.n_layers; at += layer_floats(o, i++)) {
    const int n_in = o.units[i], n_out = o.units[i + 1];
    const bool single = is_single(o, i);
    for (int j = 0; j < n_out; j++) {
      float* column = single ? at : at + (int64_t)(j / PANEL) * (n_in + 1) * PANEL + j % PANEL;
      const int step = single ? 1 : PANEL;
      for (int k = 0; k < n_in; k++) copy(weights[i][(int64_t)j * n_in + k], column[(int64_t)k * step]);
      copy(biases[i][j], single ? at[panel_floats(1, n_in)] : column[(int64_t)n_in * PANEL]);
    }
  }
}

// Operations a second of multiply-adds in registers, in the best of the bursts that fill `seconds`: what a core can do.
static double peak(double seconds) {
  constexpr int BURST = 200000;
  V x[PEAK_CHAINS];
#pragma GCC unroll 16
  for (int i = 0; i < PEAK_CHAINS; i++) x[i] = broadcast(1.0f + i);
  const V a = broadcast(0.999f), b = broadcast(1e-3f);
  using Clock = std::chrono::steady_clock;
  const auto seconds_since = [](Clock::time_point t) { return std::chrono::duration<double>(Clock::now() - t).count(); };
  double fastest = 1e9;  // burst: others may have the core now and then
  for (const auto start = Clock::now(); seconds_since(start) < seconds;) {
    const auto burst = Clock::now();
    for (int k = 0; k < BURST; k++)
#pragma GCC unroll 16
      for (int i = 0; i < PEAK_CHAINS; i++) {
        x[i] = x[i] * a + b;
        KEEP(x[i]);
      }
    fastest = std::fmin(fastest, seconds_since(burst));
  }
  return 2.0 * LANES * PEAK_CHAINS * BURST / fastest;
}

const Functions functions = {NAME, PANEL, packed_floats, workspace_floats, epoch, outputs, pack_rows, pack, peak};

}  // namespace NAMESPACE

// The next instruction set brings its own.
#undef NAMESPACE
#undef NAME
#undef LANES
#undef FORWARD_ROWS
#undef GRADIENT_ROWS
#undef PEAK_CHAINS
