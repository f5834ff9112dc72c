"""How much memory there is for the banks, and how to tell that it has run out."""

import torch

_SHARE_OF_FREE = 0.8
# What CUDA and its libraries say, in errors of torch's general kind, when an allocation of theirs fails.
_SIGNS = (
    "out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_NOT_INITIALIZED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDA_ERROR_OUT_OF_MEMORY",
    "cudaErrorMemoryAllocation",
    "cudaErrorStreamCaptureInvalidated",
    "operation failed due to a previous error during capture",
)


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that it followed on, is an allocation that failed."""
    while error is not None:
        if isinstance(error, torch.OutOfMemoryError):
            return True
        if isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS):
            return True
        error = error.__cause__ or error.__context__
    return False


def free_budget(device: torch.device) -> int:
    """Bytes that an engine may take: 80 % of what is free on a GPU, no limit on a CPU."""
    if device.type != "cuda":
        return 1 << 62
    return int(_SHARE_OF_FREE * torch.cuda.mem_get_info(device)[0])
