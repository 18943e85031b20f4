"""Where is it computed?"""

import torch

from axdse.multipliers.errors import AxdseError, did_you_mean


def device_of(name: str) -> torch.device:
    """The device `cpu`, `cuda` or `cuda:1`.

    Raises:
        AxdseError: there is none of that name here.
    """
    kind = name.partition(":")[0]
    if kind not in ("cpu", "cuda"):
        raise AxdseError("a device is cpu or cuda", name, did_you_mean(name, ("cpu", "cuda")))
    if kind == "cuda":
        found = torch.cuda.device_count() if torch.cuda.is_available() else 0
        index = name.partition(":")[2] or "0"
        if not index.isdecimal() or int(index) >= found:
            value = f"{name}: torch finds {found}"
            raise AxdseError("a CUDA device is there", value, "see 'axdse doctor', or choose cpu")
    return torch.device(name)
