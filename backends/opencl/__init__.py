"""OpenCL by pyopencl: drivers found without root, devices that were seen to compute, and the runtime on them."""
