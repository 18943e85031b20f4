"""Which networks are trained, on which images? Names alone, no torch."""

from dataclasses import dataclass, replace

from axdse.multipliers.errors import AxdseError, did_you_mean


@dataclass(frozen=True)
class Workload:
    """A network and a dataset.

    Attributes:
        name: of the network, see `axdse.dse.training.networks`.
        dataset: name for `axdse.dse.training.datasets.load`.
    """

    name: str
    dataset: str = "fashion-mnist-14k"

    def on(self, dataset: str) -> "Workload":
        """The same network on another dataset."""
        return replace(self, dataset=dataset)


WORKLOADS = {
    name: Workload(name) for name in ("lenet-300-100", "lenet-5", "resnet-8", "resnet-20")
}


def find_workload(name: str) -> Workload:
    """Return a network by name, on its default dataset.

    Raises:
        AxdseError: there is none of that name.
    """
    if name not in WORKLOADS:
        raise AxdseError("unknown workload", name, did_you_mean(name, WORKLOADS))
    return WORKLOADS[name]
