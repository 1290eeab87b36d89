"""Old spellings work, warn at the caller's line, and name the new spelling."""

import pytest

from microgradnet import chain_rule, graph
from microgradnet.deprecation import renamed_attribute, renamed_keywords


@renamed_keywords(eta="lr", tempo="lr")
def step(w, *, lr=1):
    return w - lr


class Walk:
    far = 3
    wide = renamed_attribute("wide", "far")


def test_a_renamed_keyword_is_passed_on_with_a_warning_at_the_callers_line():
    assert step(5, lr=2) == 3
    with pytest.warns(DeprecationWarning, match=r"step\(eta.*step\(lr") as caught:
        assert step(5, eta=2) == 3
    assert [warning.filename for warning in caught] == [__file__]
    assert step.__name__ == "step"


def test_both_spellings_at_once_are_an_error():
    with pytest.raises(TypeError, match=r"lr.*eta"):
        step(5, eta=2, lr=2)


def test_a_renamed_attribute_reads_the_new_one():
    with pytest.warns(DeprecationWarning, match=r"Walk\.wide.*far") as caught:
        assert Walk().wide == 3
    assert caught[0].filename == __file__


def test_a_module_that_is_gone_has_only_what_moved():
    from microgradnet.differentiable import Gradients

    assert Gradients is chain_rule.Gradients
    with pytest.raises(ImportError, match="adjoints"):
        from microgradnet.differentiable import adjoints  # noqa: F401  # that it is not there


def test_the_protocol_of_nodes_works_in_its_old_spelling():
    with pytest.warns(DeprecationWarning, match=r"graph\.Node.*HasParents"):
        assert graph.Node is graph.HasParents
    with pytest.raises(AttributeError, match="Edge"):
        _ = graph.Edge
