"""One call of a selective scan as mamba_ssm's `selective_scan_fn` takes it, as data."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from vmamba_deploy.errors import UsageError


@dataclass(frozen=True)
class ScanCall:
    """A scan along L steps of D channels, each with N states.

    With s = delta + delta_bias, or softplus of it,

        h = exp(s A) h + s B u,   y = C . h + D u,   times SiLU(z) where there is a gate.

    Attributes:
        u: [B, D, L].
        delta: [B, D, L], the step of each channel.
        a: [D, N], negative.
        b: [B, N, L]; [B, G, N, L], where G groups of D / G channels each have their own; or [D, N],
            the same at every step.
        c: as `b`, of as many groups.
        d: [D] or None, the skip.
        z: [B, D, L] or None, the gate.
        delta_bias: [D] or None.
        softplus: whether the step is softplus of delta and its bias, or that sum as it is.
    """

    u: Tensor
    delta: Tensor
    a: Tensor
    b: Tensor
    c: Tensor
    d: Tensor | None = None
    z: Tensor | None = None
    delta_bias: Tensor | None = None
    softplus: bool = False

    @property
    def constant(self) -> bool:
        """Whether B or C is the same at every step."""
        return self.b.dim() == 2 or self.c.dim() == 2

    def check(self) -> None:
        """Refuse what neither implementation computes.

        Raises:
            UsageError: naming the argument.
        """
        if self.a.is_complex() or self.b.is_complex() or self.c.is_complex():
            raise UsageError(
                "a selective scan with a complex A is not computed here",
                hint="vision networks have a real A: -exp(A_log)",
            )
        batch, channels, length = self.u.shape
        states = self.a.shape[-1]
        expected = {
            "delta": (self.delta, (batch, channels, length)),
            "A": (self.a, (channels, states)),
            "D": (self.d, (channels,)),
            "z": (self.z, (batch, channels, length)),
            "delta_bias": (self.delta_bias, (channels,)),
        }
        for name, (tensor, shape) in expected.items():
            if tensor is not None and tuple(tensor.shape) != shape:
                raise _wrong_shape(name, tensor, str(shape))
        for name, tensor in (("B", self.b), ("C", self.c)):
            groups = tensor.shape[1] if tensor.dim() == 4 else 1
            shapes = {
                2: (channels, states),
                3: (batch, states, length),
                4: (batch, groups, states, length),
            }
            if tuple(tensor.shape) != shapes.get(tensor.dim()) or channels % groups:
                raise _wrong_shape(
                    name,
                    tensor,
                    f"{shapes[3]}, {shapes[2]}, or (batch, groups, state, length) with groups that "
                    f"divide the {channels} channels",
                )

    def groups(self) -> list[ScanCall]:
        """A call for each group of channels, without a gate, whose B and C are [B, N, L].

        For a call whose B and C are not constant.
        """
        count = max(each.shape[1] if each.dim() == 4 else 1 for each in (self.b, self.c))
        if count == 1:
            return [replace(self, b=_of_group(self.b, 0), c=_of_group(self.c, 0), z=None)]
        return [self._group(group, self.u.shape[1] // count) for group in range(count)]

    def _group(self, group: int, size: int) -> ScanCall:
        channels = slice(group * size, (group + 1) * size)
        return ScanCall(
            u=self.u[:, channels],
            delta=self.delta[:, channels],
            a=self.a[channels],
            b=_of_group(self.b, group),
            c=_of_group(self.c, group),
            d=None if self.d is None else self.d[channels],
            delta_bias=None if self.delta_bias is None else self.delta_bias[channels],
            softplus=self.softplus,
        )


def refuse_packed(name: str, value: object) -> None:
    """Of an argument that says where sequences that lie one behind the other begin.

    Raises:
        UsageError: it is given.
    """
    if value is not None:
        raise UsageError(
            f"a selective scan of packed sequences ({name}) is not computed here",
            hint="pass a batch of sequences",
        )


def _of_group(tensor: Tensor, group: int) -> Tensor:
    """B or C of a group: [B, N, L]; one of a single group is everybody's."""
    if tensor.dim() == 3:
        return tensor
    return tensor[:, group if tensor.shape[1] > 1 else 0]


def _wrong_shape(name: str, tensor: Tensor, expected: str) -> UsageError:
    return UsageError(
        f"{name} of a selective scan has shape {tuple(tensor.shape)}, expected {expected}"
    )
