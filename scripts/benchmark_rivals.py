"""The same training by other people's means, for ``benchmark.py``: torch.func, JAX, scikit-learn.

The first two train all probes of a group side by side under ``vmap`` with automatic differentiation and scikit-learn's
Adam, without validation and early stopping; what they take for an epoch is counted as often as our probes had epochs.
"""

import statistics
import time

import numpy as np
import torch

from satgpu.probes import ProbeGroup, ProbeOptions

EPOCHS_TIMED = 3


def fit_sklearn(X: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray, seed: int) -> tuple[float, int]:
    """Test score (NaN without test rows) and epochs of the notebook's classifier."""
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(hidden_layer_sizes=(128, 64), max_iter=500, random_state=seed, early_stopping=True)
    model.fit(X[train], y[train])
    return model.score(X[test], y[test]) if len(test) else float("nan"), model.n_iter_


def run_sklearn(groups: list[ProbeGroup], dtype: type, n_jobs: int, seed: int = 42) -> dict[str, float]:
    """Seconds, mean epochs and mean test score of scikit-learn, one by one or by joblib on warm workers."""
    from joblib import Parallel, delayed

    jobs = []
    for group in groups:
        X, rows = group.X.cpu().numpy().astype(dtype), (group.train_rows.numpy(), group.test_rows.numpy())
        jobs += [delayed(fit_sklearn)(X, y.numpy(), *rows, seed) for y in group.Y.cpu()]
    with Parallel(n_jobs=n_jobs) as parallel:
        if n_jobs > 1:  # start the workers and have them import scikit-learn before the clock runs
            tiny = np.random.default_rng(0).normal(size=(60, 2))
            rows = np.arange(60)
            parallel(delayed(fit_sklearn)(tiny, rows % 2, rows, rows, seed) for _ in range(2 * n_jobs))
        start = time.perf_counter()
        found = parallel(jobs)
        seconds = time.perf_counter() - start
    scores, epochs = zip(*found, strict=True)
    return {"seconds": seconds, "epochs": statistics.fmean(epochs), "score": statistics.fmean(scores)}


def _layers(sizes: list[int], n_probes: int) -> list[np.ndarray]:
    """Stacked weights and biases of many probes, small random numbers."""
    rng = np.random.default_rng(0)
    shapes = [shape for a, b in zip(sizes, sizes[1:], strict=False) for shape in ((a, b), (b,))]
    return [rng.normal(0, 0.05, (n_probes, *shape)).astype(np.float32) for shape in shapes]


def torch_func_epoch_s(group: ProbeGroup, options: ProbeOptions) -> float:
    """Seconds that ``torch.func.vmap(grad(...))`` takes for one epoch of a group."""
    X, Y = group.X[group.train_rows].float(), group.Y[:, group.train_rows].float()
    parameters = [torch.from_numpy(p) for p in _layers([X.shape[1], *options.hidden_layer_sizes, 1], group.n_probes)]
    m, v = ([torch.zeros_like(p) for p in parameters] for _ in range(2))

    def loss(parameters, x, y):
        for weight, bias in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
            x = torch.relu(x @ weight + bias)
        out = (x @ parameters[-2] + parameters[-1]).squeeze(-1)
        penalty = sum(weight.square().sum() for weight in parameters[::2])
        entropy = torch.nn.functional.binary_cross_entropy_with_logits(out, y)
        return entropy + 0.5 * options.alpha / len(x) * penalty

    gradients = torch.func.vmap(torch.func.grad(loss), in_dims=(0, None, 0))

    def epoch():
        for rows in torch.randperm(int(0.9 * len(X))).split(options.batch_size):
            with torch.no_grad():
                g = list(gradients(parameters, X[rows], Y[:, rows]))
                torch._foreach_lerp_(m, g, 1 - options.beta_1)
                torch._foreach_mul_(v, options.beta_2)
                torch._foreach_addcmul_(v, g, g, 1 - options.beta_2)
                roots = torch._foreach_sqrt(v)
                torch._foreach_add_(roots, options.epsilon)
                torch._foreach_addcdiv_(parameters, m, roots, -options.learning_rate_init)

    return _seconds(epoch)


def jax_epoch_s(group: ProbeGroup, options: ProbeOptions) -> float:
    """Seconds that a jitted ``jax.lax.scan`` over ``jax.vmap(jax.grad(...))`` takes for one epoch of a group."""
    import jax
    import jax.numpy as jnp

    X, Y = group.X[group.train_rows].float().numpy(), group.Y[:, group.train_rows].float().numpy()
    n_steps = int(0.9 * len(X)) // options.batch_size
    parameters = [jnp.asarray(p) for p in _layers([X.shape[1], *options.hidden_layer_sizes, 1], group.n_probes)]
    X, Y = jnp.asarray(X), jnp.asarray(Y)

    def loss(parameters, x, y):
        for weight, bias in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
            x = jax.nn.relu(x @ weight + bias)
        out = (x @ parameters[-2] + parameters[-1]).squeeze(-1)
        entropy = jnp.mean(jax.nn.softplus(out) - y * out)
        return entropy + 0.5 * options.alpha / x.shape[0] * sum(jnp.sum(weight**2) for weight in parameters[::2])

    gradients = jax.vmap(jax.grad(loss), in_axes=(0, None, 0))

    def step(state, rows):
        parameters, m, v = state
        g = gradients(parameters, X[rows], Y[:, rows])
        m = [options.beta_1 * a + (1 - options.beta_1) * b for a, b in zip(m, g, strict=True)]
        v = [options.beta_2 * a + (1 - options.beta_2) * b * b for a, b in zip(v, g, strict=True)]
        rate, epsilon = options.learning_rate_init, options.epsilon
        moved = [p - rate * a / (jnp.sqrt(b) + epsilon) for p, a, b in zip(parameters, m, v, strict=True)]
        return (moved, m, v), None

    run = jax.jit(lambda state, rows: jax.lax.scan(step, state, rows)[0])
    zeros = [jnp.zeros_like(p) for p in parameters]
    order = np.random.default_rng(0).permutation(n_steps * options.batch_size).reshape(n_steps, -1)
    seconds = _seconds(lambda: jax.block_until_ready(run((parameters, zeros, zeros), order)))
    return seconds * 0.9 * len(X) / (n_steps * options.batch_size)  # the last, shorter minibatch by its share


def _seconds(action) -> float:
    """Median seconds of an action, after a first one that compiles."""
    action()
    taken = []
    for _ in range(EPOCHS_TIMED):
        start = time.perf_counter()
        action()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)
