"""Terms in index notation: Σ_k W[i,k] x[k] + b[i]."""
from __future__ import annotations
from microgradnet.lifting.terms import Term
__all__ = ["term_text"]
def term_text(term: Term) -> str:
    return f"<{type(term).__name__} {getattr(term, 'name', '')}{list(term.axes)}>"
