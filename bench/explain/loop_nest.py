"""Prints the loop nest of a pipeline that a generator has emitted (-e hlpipe)."""

import sys

import halide

halide.deserialize_pipeline(sys.argv[1]).print_loop_nest()
