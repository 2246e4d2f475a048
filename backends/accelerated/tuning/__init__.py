"""The autotuner (Hedberg 2015, sections 9-10): which parameters a kernel is compiled with, found by measuring."""
