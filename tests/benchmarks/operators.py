"""Where ONNX Runtime spends a step's time."""

from __future__ import annotations

from insides import operators
from measure import print_table
from settings import Settings

SHOWN = 9


def report(settings: Settings, pooling: str = "avg") -> None:
    """The operators' shares, on the CPU; on a GPU kernels run on after their call has returned."""
    if settings.on_gpu:
        print("profile: only on the CPU\n")
        return
    side = 64 if settings.small else 512
    spent = operators(pooling, side, side)
    total = sum(spent.values())
    print(f"All nodes / Conv nodes at {side}x{side}: {total / spent['Conv']:.2f}\n")
    rows = ((name, f"{spent[name] / total:.1%}") for name, _ in spent.most_common(SHOWN))
    print_table("operator | share of the step", rows)
