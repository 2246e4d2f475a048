"""What OpenCL, CUDA and CUDA's simulation share: the seam `Runtime`, and what stands on it, written once."""
