"""A proof of every digit: `certify` and its `Certificate`.

Each number and each gradient of a graph is enclosed in a ball, by the same rules that the floats
took. With more digits the balls become smaller, until all numbers of each round to one float. That
is then the float nearest to the true number.
"""

from microgradnet.certification.certificate import Certificate, Numbers
from microgradnet.certification.rounding import certify

__all__ = ["Certificate", "Numbers", "certify"]
