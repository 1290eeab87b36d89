"""Autodiff beside the δ equations, equation by equation: `verify` and its `Report`.

In rationals the two are equal. In floats each equation holds within a bound that is derived
(`verification.bounds`), and how far gradients are from the true ones, rounding having gone through
the whole network, can be measured: against the same graph at 50 digits. In units in the last place
of the true gradient, of 1,000 random networks in each row (one to three layers of one to four
neurons, numbers from −2 to 2; `python tests/benchmarks/ulps.py --networks 1000`):

============= ============= ====================== ====== ====== =======
hidden        output        cost                   median   99 %   worst
============= ============= ====================== ====== ====== =======
linear        linear        quadratic                 0.8     46   1,400
sigmoid       sigmoid       quadratic                 1.2     26   1,920
tanh          tanh          quadratic                 2.0     40   1,680
relu          relu          quadratic                 0.6     18     212
leaky_relu    leaky_relu    quadratic                 0.6     18     306
elu           elu           quadratic                 1.1     41   2,760
softplus      softplus      quadratic                 1.2     26   1,040
silu          silu          quadratic                 1.9     61   2,040
gelu          gelu          quadratic                 2.1    118   4,960
softsign      softsign      quadratic                 1.2     28   2,740
hard_tanh     hard_tanh     quadratic                 0.5     20     211
hard_sigmoid  hard_sigmoid  quadratic                 0.6     20     292
tanh          softmax       quadratic                 2.1     62   7,230
tanh          linear        hinge                     0.6     15     205
tanh          sigmoid       cross_entropy             2.2    171   9,740
tanh          softmax       log_likelihood            1.3     51   8,100
tanh          linear        cross_entropy_from_z      1.2     47   2,810
tanh          linear        log_likelihood_from_z     1.4     65   4,240
============= ============= ====================== ====== ====== =======

Both granularities have the same gradients, bit for bit. The large errors belong to gradients in
which large terms have cancelled: a last place of the terms is many of what is left. Each error lies
within the running error of its own graph: the few roundings of every operation, carried on by the
derivatives of what comes after it.
"""

from microgradnet.verification.comparison import verify
from microgradnet.verification.report import Report, Row

__all__ = ["Report", "Row", "verify"]
