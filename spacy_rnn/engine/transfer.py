"""Moving what was made on the CPU to where it is used."""

import torch
from torch import Tensor


def to_device(data: Tensor, device: torch.device) -> Tensor:
    """A tensor of the CPU on a device. To a GPU it goes through pinned memory, so that the
    CPU need not wait until it has arrived."""
    if torch.device(device).type != "cuda" or data.device.type != "cpu":
        return data.to(device)
    return data.pin_memory().to(device, non_blocking=True)
