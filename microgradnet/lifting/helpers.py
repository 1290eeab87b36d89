"""The functions that found programs call and NumPy lacks, as the source text they bring along."""

from __future__ import annotations

__all__ = ["HELPERS"]

HELPERS: dict[str, str] = {
    "affine": '''\
def affine(W, a, b, out=None):
    """W a + b of every example."""
    z = np.matmul(a, W.T, out=out)
    z += b
    return z
''',
    "times": '''\
def times(x, y):
    """The entries of x, times those of y, in place."""
    x *= y
    return x
''',
    "sigmoid": '''\
def sigmoid(x):
    """1 / (1 + exp(-x)), without overflow and with all its digits on the left."""
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)
''',
    "sigmoid_and_slope": '''\
def sigmoid_and_slope(z, a=None, slope=None):
    """With e = exp(-z): the sigmoid 1 / (1 + e), and its derivative e / (1 + e)**2."""
    e = np.negative(z, out=slope)
    np.minimum(e, 709 if z.itemsize == 8 else 88, out=e)  # beyond, e would be infinite
    np.exp(e, out=e)
    a = np.add(e, 1, out=a)
    np.reciprocal(a, out=a)
    e *= a
    e *= a
    return a, e
''',
    "tanh_and_slope": '''\
def tanh_and_slope(z, a=None, slope=None):
    """The hyperbolic tangent, and with e = exp(-2z) its derivative 4e / (1 + e)**2."""
    e = np.multiply(z, -2, out=slope)
    np.minimum(e, 709 if z.itemsize == 8 else 88, out=e)  # beyond, e would be infinite
    np.exp(e, out=e)
    a = np.add(e, 1, out=a)
    np.reciprocal(a, out=a)
    e *= a
    e *= a
    e *= 4
    return np.tanh(z, out=a), e
''',
    "squares": '''\
def squares(v):
    """The sum of the squares of every row."""
    return np.add.reduce(v * v, axis=1, keepdims=True)
''',
    "softplus": '''\
def softplus(x):
    """log(1 + exp(x)), without overflow and with all its digits on the left."""
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)
''',
    "xlogy": '''\
def xlogy(x, y):
    """x log y, where 0 log 0 = 0."""
    return np.where((x == 0) & ~np.isnan(y), 0, x * np.log(y))
''',
    "damped": '''\
def damped(x, y):
    """x y, where inf 0 = 0."""
    return np.where((y == 0) & np.isinf(x), 0, x * y)
''',
    "erf": '''\
def erf(x):
    """The error function, which NumPy lacks."""
    return np.vectorize(math.erf, otypes=[x.dtype])(x)
''',
    "erfc": '''\
def erfc(x):
    """The complement of the error function, which NumPy lacks."""
    return np.vectorize(math.erfc, otypes=[x.dtype])(x)
''',
    "softmax": '''\
def softmax(x):
    """exp(x) over its sum, along the last axis."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)
''',
    "stacked": '''\
def stacked(*xs):
    """Operands side by side along a last axis."""
    kind = np.result_type(*xs)
    return np.stack(np.broadcast_arrays(*[np.asarray(x, kind) for x in xs]), axis=-1)
''',
    "softmax_vjp": '''\
def softmax_vjp(x, g):
    """What the softmax of every row of x passes on of g."""
    s = softmax(x)
    g = g.reshape(*g.shape[:-1], *x.shape[-2:])
    d = s * (g - (s * g).sum(axis=-1, keepdims=True))
    return d.reshape(*d.shape[:-2], -1)
''',
    "log_sum_exp": '''\
def log_sum_exp(x):
    """log of the sum of exp(x), along the last axis; the largest x is kept out of the sum."""
    k = x.argmax(axis=-1)[..., None]
    top = np.take_along_axis(x, k, axis=-1)
    e = np.exp(x - top)
    np.put_along_axis(e, k, 0, axis=-1)
    return np.where(np.isinf(top), top, top + np.log1p(e.sum(axis=-1, keepdims=True)))[..., 0]
''',
    "dot": '''\
def dot(u, v, k=1):
    """The sum of k u v along the rows."""
    return (k * u * v).sum(axis=-1)
''',
    "spread": '''\
def spread(g, u, k=1):
    """What `dot` passes on of g to v."""
    d = np.asarray(g)[..., None] * (k * u)
    return d.reshape(*d.shape[:-2], -1)
''',
    "repeated": '''\
def repeated(g, n):
    """Every entry n times in a row: what a sum of n passes on to each of them."""
    return np.repeat(g, n, axis=-1)
''',
    "placed": '''\
def placed(shape, dtype, *pieces):
    """Zeros of this shape, with every piece added in at its places along the last axis."""
    whole = np.zeros(shape, dtype)
    for place, piece in pieces:
        if isinstance(place, slice):
            whole[..., place] += piece
        else:
            np.add.at(whole, (..., place), piece)
    return whole
''',
    "scattered": '''\
def scattered(shape, cells, values):
    """A matrix of zeros, with every value added in at its cell, counted row by row."""
    flat = np.bincount(cells, values, shape[0] * shape[1])
    return flat.reshape(shape).astype(values.dtype, copy=False)
''',
}
"""The source of each by its name."""
