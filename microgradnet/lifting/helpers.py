"""The functions that found programs call and NumPy lacks, as the source text they bring along."""

from __future__ import annotations

__all__ = ["HELPERS"]

HELPERS: dict[str, str] = {
    "affine": '''\
def affine(W, a, b, z):
    """W a + b of every example, into z."""
    # The quicker one for a single row is np.dot; of rows that are apart it makes a copy first.
    product = np.dot if len(W) == 1 else np.matmul
    product(a, W.T, out=z)
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
def sigmoid_and_slope(z, one, top, a, slope):
    """With e = exp(z): the sigmoid e / (1 + e) into a, its derivative e / (1 + e)**2 into slope."""
    np.minimum(z, top, out=a)  # beyond, e would be infinite
    np.exp(a, out=a)
    np.add(a, one, out=slope)
    a /= slope
    np.divide(a, slope, out=slope)
    return a, slope
''',
    "tanh_and_slope": '''\
def tanh_and_slope(z, two, a, slope):
    """tanh(z) into a; its derivative, with e = exp(z) (2 / (e + 1/e))**2, into slope."""
    np.exp(z, out=a)
    np.reciprocal(a, out=slope)
    slope += a
    np.divide(two, slope, out=slope)
    slope *= slope
    return np.tanh(z, out=a), slope
''',
    "squares": '''\
def squares(v, ones):
    """The sum of the squares of every row."""
    return (v * v).dot(ones)[:, None]
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
    "vanishing_product": '''\
def vanishing_product(x, y):
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
    """exp(x) over its sum, along the last axis; an infinite x, if it is the only one, takes all."""
    top = x.max(axis=-1, keepdims=True)
    e = np.exp(x - top)
    s = e / e.sum(axis=-1, keepdims=True)
    if not np.isposinf(top).any():
        return s
    first = x == np.inf
    winner = np.where(first.sum(axis=-1, keepdims=True) == 1, 1, np.nan)
    return np.where(top == np.inf, np.where(first, winner, 0), s)
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
